//! Brain: which addresses of a server are asked, and what their answers come to together.

use std::{collections::VecDeque, mem, net::SocketAddr, time::Duration};

use super::dialogue::Finding;
use crate::report::ProbeOutcome;

/// More addresses of one name than this are not asked.
const MOST: usize = 4;

/// The addresses to ask, of both families in turn: where one family leads nowhere, its addresses must not take all the
/// places.
pub(super) fn choose(found: impl IntoIterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut found = found.into_iter().peekable();
    let is_v4 = found.peek().is_some_and(SocketAddr::is_ipv4);
    let (mut next, mut after): (VecDeque<_>, VecDeque<_>) = found.partition(|address| address.is_ipv4() == is_v4);
    let mut chosen = Vec::new();
    while chosen.len() < MOST {
        let Some(address) = next.pop_front().or_else(|| after.pop_front()) else { break };
        if !chosen.contains(&address) {
            chosen.push(address);
        }
        mem::swap(&mut next, &mut after);
    }
    chosen
}

/// What came of one address.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Asked {
    pub(super) address: SocketAddr,
    pub(super) finding: Finding,
    pub(super) took: Duration,
}

/// The finding of the address that says most, with the others named that did not answer; `None` where none was asked.
pub(super) fn together(mut asked: Vec<Asked>) -> Option<(Finding, Duration)> {
    let best = (0..asked.len()).min_by_key(|index| rank(asked[*index].finding.outcome))?;
    let Asked { address, mut finding, took } = asked.remove(best);
    let silent = asked.iter().filter(|other| other.finding.outcome == ProbeOutcome::Unreachable);
    let silent: Vec<_> = silent.map(|other| other.address).collect();
    if !silent.is_empty() {
        let told = if finding.outcome == ProbeOutcome::Unreachable {
            format!("; it was asked at {}", listed(&[&[address][..], &silent].concat()))
        } else {
            format!("; there was no answer from {}", listed(&silent))
        };
        finding.message.push_str(&told);
    }
    Some((finding, took))
}

/// A server that works at one of its addresses works; one that answers says more than one that does not.
fn rank(outcome: ProbeOutcome) -> u8 {
    match outcome {
        ProbeOutcome::Works => 0,
        ProbeOutcome::PeerRefused => 1,
        ProbeOutcome::LoginRefused => 2,
        ProbeOutcome::Quota => 3,
        ProbeOutcome::Refused => 4,
        ProbeOutcome::Unreachable => 5,
        ProbeOutcome::UnknownHost => 6,
    }
}

fn listed(addresses: &[SocketAddr]) -> String {
    let words: Vec<_> = addresses.iter().map(SocketAddr::to_string).collect();
    match &words[..] {
        [all @ .., last] if !all.is_empty() => format!("{} and {last}", all.join(", ")),
        words => words.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn asked(answers: &[(&str, ProbeOutcome, &str)]) -> Option<(Finding, Duration)> {
        let answers = answers.iter().zip(1..).map(|((address, outcome, message), seconds)| Asked {
            address: address.parse().unwrap(),
            finding: Finding { outcome: *outcome, message: (*message).to_owned(), mapped: None, relayed: None },
            took: Duration::from_secs(seconds),
        });
        together(answers.collect())
    }

    #[test]
    fn both_families_are_asked_in_turn_and_no_more_than_four_addresses() {
        let all = ["[::1]:1", "[::2]:1", "[::3]:1", "[::4]:1", "192.0.2.1:1", "192.0.2.2:1"];
        let chosen = choose(addresses(&all));
        assert_eq!(chosen, addresses(&["[::1]:1", "192.0.2.1:1", "[::2]:1", "192.0.2.2:1"]));
        let twice = choose(addresses(&["192.0.2.1:1", "192.0.2.1:1", "192.0.2.2:1"]));
        assert_eq!(twice, addresses(&["192.0.2.1:1", "192.0.2.2:1"]));
        assert!(choose([]).is_empty());
    }

    #[test]
    fn one_address_that_answers_is_enough_and_the_silent_ones_are_named() {
        let (finding, took) = asked(&[
            ("[2001:db8::1]:3478", ProbeOutcome::Unreachable, "did not answer"),
            ("192.0.2.1:3478", ProbeOutcome::Works, "works"),
            ("192.0.2.2:3478", ProbeOutcome::Unreachable, "did not answer"),
        ])
        .unwrap();
        assert_eq!((finding.outcome, took), (ProbeOutcome::Works, Duration::from_secs(2)));
        assert_eq!(finding.message, "works; there was no answer from [2001:db8::1]:3478 and 192.0.2.2:3478");
    }

    #[test]
    fn a_server_that_answers_nowhere_is_told_with_every_address() {
        let silent = ProbeOutcome::Unreachable;
        let (finding, _) =
            asked(&[("192.0.2.1:1", silent, "s"), ("192.0.2.2:1", silent, "s"), ("[::1]:1", silent, "s")]).unwrap();
        assert_eq!(finding.message, "s; it was asked at 192.0.2.1:1, 192.0.2.2:1 and [::1]:1");
        let (alone, _) = asked(&[("192.0.2.1:1", silent, "s")]).unwrap();
        assert_eq!(alone.message, "s", "an address alone adds nothing to the name");
        assert_eq!(asked(&[]), None);
    }

    #[test]
    fn a_refusal_says_more_than_silence() {
        let (finding, _) = asked(&[
            ("192.0.2.1:1", ProbeOutcome::Unreachable, "silent"),
            ("192.0.2.2:1", ProbeOutcome::LoginRefused, "refused"),
        ])
        .unwrap();
        assert_eq!(finding.outcome, ProbeOutcome::LoginRefused);
        assert_eq!(finding.message, "refused; there was no answer from 192.0.2.1:1");
    }
}
