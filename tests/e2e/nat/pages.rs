//! The call page in a browser on a LAN of the lab, as a visitor has it who gave no permission: it hides its addresses
//! behind `.local` names (multicast DNS), which mean something on the LAN alone.

use super::{documents, lab_shell, lacks_browser};

/// A call between a page on `h` and `peer-cli` on `h2`; prints what both tell, and what `h2` sent where.
const CALL: &str = r#"
call() { # ROOM OPTION...
    @h node "$PAGE" --no-permission "$LAB_PAGE/r/$1?media=pattern&peer=7" > "$LAB/page.json" & page=$!
    @h2 peer-cli join "$@" --server "$LAB_WSS" --tls-ca "$LAB_CA" --call-number 3 --size 320x240 --fps 15 --wait 90s \
        --duration 5s --quiet "--json=$LAB/cli.json" > /dev/null || true
    wait $page || true
    cat "$LAB/page.json" "$LAB/cli.json"
    lab-counters h2
}
# The host of peer-cli lets in answers only, as many a desktop does, and what multicast DNS needs.
firewall() {
    @h2 nft -f - << 'NFT'
table inet desktop {
    chain in { type filter hook input priority 0; policy accept;
        udp sport 5353 accept
        udp dport 5353 accept
        iifname "eth0" ct state new drop
    }
}
NFT
}
"#;

/// Places a call in which the page sees the pictures of `peer-cli`, and the other way round; whether the media of
/// `peer-cli` stayed on the LAN, by what its host has sent.
fn stays_on_the_lan(line: &str) -> Option<bool> {
    if lacks_browser() {
        return None;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/js/lab-page.mjs");
    let out = lab_shell(&[], "h=lan", &format!("PAGE={script}\n{CALL}\n{line}"))?.well();
    let [page, cli, count] = documents(&out);
    assert_eq!(page["end"], "left", "{out}");
    assert_eq!(page["snapshot"]["far"]["peer"], 6, "{out}");
    assert_eq!(cli["verdict"]["code"], "OK", "{out}");
    let candidates = cli["peers"][0]["candidates"].as_array().map_or(&[][..], Vec::as_slice);
    let hosts = candidates.iter().filter(|candidate| candidate["local"] == false && candidate["kind"] == "host");
    let addresses: Vec<_> = hosts.filter_map(|candidate| candidate["address"].as_str()).collect();
    let hidden = |address: &&str| address.contains(".local");
    // A call that connects before the name is there leaves it untold: Chromium ends gathering then.
    assert!(addresses.iter().all(hidden), "the page shows its addresses: {addresses:?}");
    let sent = |is_lan: bool| -> u64 {
        let remotes = count["remotes"].as_array().map_or(&[][..], Vec::as_slice).iter();
        let there =
            remotes.filter(|remote| remote["address"].as_str().is_some_and(|at| at.starts_with("192.168.") == is_lan));
        there.filter_map(|remote| remote["large_bytes"].as_u64()).sum()
    };
    let (inside, outside) = (sent(true), sent(false));
    assert!(inside.max(outside) > 10 * inside.min(outside).max(1000), "{inside} bytes on the LAN, {outside} elsewhere");
    Some(inside > outside)
}

#[test]
fn a_page_that_hides_its_addresses_is_called_on_its_lan() {
    let Some(stays) = stays_on_the_lan("call plain") else { return };
    assert!(stays, "the page's checks did not show its address");
}

/// Who can neither be found from outside nor read the name of the other one is left with a relay.
#[test]
fn behind_a_firewall_the_name_of_a_page_has_to_be_resolved_to_stay_on_the_lan() {
    let Some(stays) = stays_on_the_lan("firewall; call resolved --mdns") else { return };
    assert!(stays, "the name of the page was not resolved");
    let Some(stays) = stays_on_the_lan("firewall; call unresolved") else { return };
    assert!(!stays, "there was a way on the LAN without the name of the page, and so nothing is proved");
}
