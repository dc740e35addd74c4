//! A peer that changes its network in mid-call, and one whose line is cut for a while.

use serde_json::Value;

use super::{documents, lab_shell};

/// A call between `a` and `b`, something that happens to it once media flows, and both reports.
const CALL: &str = r#"
during() { # DURATION OPTION... -- COMMAND...
    duration=$1; shift
    options=(); while [ "$1" != -- ]; do options+=("$1"); shift; done; shift
    common=(--duration "$duration" --size 320x240 --fps 15 --wait 30s --ice "$LAB_STUN" "${options[@]}")
    for side in a b; do mkfifo "$LAB/$side.said"; done
    @a peer-cli join r "${common[@]}" "--json=$LAB/a.json" > "$LAB/a.said" 2>&1 & first=$!
    @b peer-cli join r "${common[@]}" "--json=$LAB/b.json" > "$LAB/b.said" 2>&1 & second=$!
    cat "$LAB/b.said" >&2 &
    while IFS= read -r line; do
        printf '%s\n' "$line" >&2
        case $line in *"first picture decoded"*) "$@" >&2 & ;; esac
    done < "$LAB/a.said"
    wait $first || true; wait $second || true
    cat "$LAB/a.json" "$LAB/b.json"
}
"#;

fn during(sites: &str, line: &str) -> Option<[Value; 2]> {
    Some(documents(&lab_shell(&[], sites, &format!("{CALL}\n{line}"))?.well()))
}

fn phases(report: &Value) -> Vec<&str> {
    let phases = report["peers"][0]["phases"].as_array().expect("a list of phases");
    phases.iter().filter_map(|phase| phase["phase"].as_str()).collect()
}

/// The longest time without a picture, in milliseconds.
fn longest_gap(report: &Value) -> f64 {
    report["directions"][0]["video"]["longest_gap_ms"].as_f64().expect("pictures came")
}

#[test]
fn a_phone_that_goes_from_wifi_to_mobile_has_its_call_back_within_seconds() {
    let Some(reports) = during("a=home,b=home", "during 15s -- lab-move a cgnat") else { return };
    let [moved, stayed] = &reports;
    for report in [moved, stayed] {
        assert_eq!(report["verdict"]["code"], "OK", "{:?} {report}", phases(report));
        let gap = longest_gap(report);
        assert!((100.0..5000.0).contains(&gap), "media was gone for {gap} ms: {:?}", phases(report));
    }
    let phases = phases(moved);
    for phase in ["network-changed", "signaling-lost", "signaling-back", "ice-restart"] {
        assert!(phases.contains(&phase), "no {phase} in {phases:?}");
    }
    let gone = moved["peers"][0]["interruptions"][0]["ms"].as_f64().expect("the report says how long");
    assert!((50.0..5000.0).contains(&gone), "{gone}");
    let sid = |report: &Value| report["peers"][0]["sid"].as_str().map(str::to_owned);
    assert!(sid(moved).is_some() && sid(moved) != sid(stayed));
}

#[test]
fn a_phone_that_moves_behind_a_symmetric_nat_goes_on_through_the_relay() {
    let line = r#"during 15s --ice "$LAB_TURN" --ice-user "$LAB_TURN_USER" --ice-password "$LAB_TURN_PASSWORD" \
        -- lab-move a symmetric"#;
    let Some(reports) = during("a=home,b=symmetric", line) else { return };
    for report in &reports {
        assert_eq!(report["verdict"]["code"], "OK", "{:?} {report}", phases(report));
        let pair = &report["peers"][0]["pair"];
        assert!(pair["local"] == "relay" || pair["remote"] == "relay", "{pair}");
    }
}

#[test]
fn a_line_that_is_cut_for_some_seconds_is_told_and_the_call_goes_on() {
    let Some(reports) = during("a=home,b=home", "during 14s -- lab-cut a 3") else { return };
    for report in &reports {
        assert_eq!(report["verdict"]["code"], "OK", "{:?} {report}", phases(report));
        let gap = longest_gap(report);
        assert!((2500.0..8000.0).contains(&gap), "cut for three seconds, and media was gone for {gap} ms");
    }
}
