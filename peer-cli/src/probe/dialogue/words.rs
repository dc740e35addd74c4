//! What is said of a server, each the rest of a sentence that begins with its name.

use std::net::SocketAddr;

use crate::{probe::request::Request, report::ProbeOutcome, rtc::Over};

/// What came of an allocation: `permitted` peers were taken, and others refused, with what was said about the first one
/// of those and how many there were.
pub(super) fn permitted(
    relayed: Option<SocketAddr>,
    permitted: usize,
    forbidden: Option<(String, usize)>,
) -> (ProbeOutcome, String) {
    let from = relayed.map_or_else(String::new, |relayed| format!(" from {relayed}"));
    match (permitted, forbidden) {
        (0, Some((said, _))) => (ProbeOutcome::PeerRefused, said),
        // A side behind a NAT tells its private addresses too, and every relay worth its name protects those.
        (n, Some((said, refused))) => {
            let all = n + refused;
            (ProbeOutcome::Works, format!("relays{from} and takes {n} of {all} addresses of the other side; it {said}"))
        }
        (0, None) => (ProbeOutcome::Works, format!("relays{from}")),
        (1, None) => (ProbeOutcome::Works, format!("relays{from} and takes the other side's address")),
        (n, None) => (ProbeOutcome::Works, format!("relays{from} and takes all {n} addresses of the other side")),
    }
}

/// An error as the server put it.
pub(super) fn said(code: u16, reason: &str) -> String {
    match (code, reason) {
        (0, _) => "an error without a code".to_owned(),
        (code, "") => code.to_string(),
        (code, reason) => format!("{code} {reason}"),
    }
}

/// No answer came to a request that was sent so many times; `answered`: earlier ones had one.
pub(super) fn silent(request: Request, sent: u32, over: Over, answered: bool) -> String {
    let name = request.name();
    match (answered, over) {
        (true, Over::Udp) => format!("fell silent: no answer to {name}, sent {sent} times"),
        (true, Over::Tcp | Over::Tls) => format!("fell silent: no answer to {name}"),
        (false, Over::Udp) => format!("did not answer: {name} was sent {sent} times"),
        (false, Over::Tcp | Over::Tls) => format!("took the connection and did not answer {name}"),
    }
}
