//! Calls that must not work: without these the matrix could be green for a wrong reason.

use super::lab_shell;

/// Prints the code of each side of a call between `a` and `b` with some options.
const CODES: &str = r#"
codes() {
    set -- --duration 1s --size 320x240 --fps 15 --wait 30s --connect-timeout 15s --quiet "$@"
    @a peer-cli join r "$@" "--json=$LAB/a.json" > /dev/null 2>&1 & first=$!
    @b peer-cli join r "$@" "--json=$LAB/b.json" > /dev/null 2>&1 & second=$!
    wait $first || true; wait $second || true
    for side in a b; do sed -n 's/^ *"code": "\([A-Z_]*\)",$/\1/p' "$LAB/$side.json" | head -n 1; done
}
"#;

fn codes(sites: &str, line: &str) -> Option<Vec<String>> {
    let out = lab_shell(&[], sites, &format!("{CODES}\n{line}"))?.well();
    Some(out.lines().map(str::to_owned).collect())
}

#[test]
fn two_symmetric_nats_without_a_relay_fail() {
    let Some(codes) = codes("a=symmetric,b=symmetric", r#"codes --ice "$LAB_STUN""#) else { return };
    assert!(codes.contains(&"ICE_FAILED".to_owned()), "{codes:?}");
    assert!(!codes.contains(&"OK".to_owned()), "{codes:?}");
}

#[test]
fn a_wrong_login_at_the_relay_is_the_cause_that_is_named() {
    let line = r#"codes --ice "$LAB_STUN" --ice "$LAB_TURN" --ice-user "$LAB_TURN_USER" --ice-password wrong"#;
    let Some(codes) = codes("a=symmetric,b=symmetric", line) else { return };
    assert!(codes.contains(&"TURN_LOGIN_REFUSED".to_owned()), "{codes:?}");
    assert!(!codes.contains(&"OK".to_owned()), "{codes:?}");
}

#[test]
fn a_relay_that_is_down_is_the_cause_that_is_named() {
    let line = r#"
        kill "$LAB_RELAY_PID"
        codes --ice "$LAB_TURN" --ice-user "$LAB_TURN_USER" --ice-password "$LAB_TURN_PASSWORD"
    "#;
    let Some(codes) = codes("a=symmetric,b=symmetric", line) else { return };
    assert!(codes.contains(&"TURN_UNREACHABLE".to_owned()), "{codes:?}");
    assert!(!codes.contains(&"OK".to_owned()), "{codes:?}");
}
