//! A whole call through the relay, both ends of it here: what every check before it only makes likely.

use tokio::sync::watch;

use super::{Check, Clock};
use crate::args::CallArgs;
use crate::clock::{Started, now};
use crate::run;

/// The name of the check.
const NAME: &str = "call";

/// Places the call, and tells whether media came at both ends; `None` where none was placed. `begun` is when the doctor
/// began.
pub(super) async fn place(call: &CallArgs, begun: Started, has_relay: bool) -> (Check, Option<Result<(), String>>) {
    if !has_relay {
        return (Check::left_out(NAME, "none was placed through the relay, as none works"), None);
    }
    let clock = Clock::start();
    // Nobody says stop: the program ends with its process.
    let (_stop, stopped) = watch::channel(false);
    let mono = now();
    let started = Started { mono, unix: begun.unix_at(mono) };
    // A call is a large future, and this is one of many things that are done.
    match Box::pin(run::calls(call, started, stopped, |_| {})).await {
        Ok(report) if report.verdict.ok => {
            let path = report.peers.iter().find_map(|peer| peer.pair.as_ref());
            let round_trip = path.and_then(|pair| pair.rtt_ms);
            let words = round_trip.map_or_else(String::new, |rtt| format!(", round trip {rtt:.1} ms"));
            (clock.passed(NAME, format!("media came at both ends through the relay{words}")), Some(Ok(())))
        }
        Ok(report) => {
            let sentence = report.verdict.sentence;
            (clock.failed(NAME, sentence.clone()), Some(Err(sentence)))
        }
        Err(error) => (Check::left_out(NAME, &format!("none could be placed: {error}")), None),
    }
}
