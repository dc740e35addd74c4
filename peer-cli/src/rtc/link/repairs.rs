//! Packets that the far end sends again in a stream of their own (RFC 4588).
//!
//! The stack turns them back into packets of the stream that they repair, behind all interceptors. So its own NACK
//! generator never sees them, and goes on asking for what has long come.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use rtc::rtcp::transport_feedbacks::transport_layer_nack::{
    NackPair, TransportLayerNack, nack_pairs_from_sequence_numbers,
};

/// How long a repaired packet is remembered. It is asked for ten times within a fifth of a second at most, and its number
/// comes round again after half a minute of the fastest stream.
const REMEMBERED: Duration = Duration::from_secs(2);

/// Repaired packets remembered at most.
const MOST: usize = 4096;

/// The far end's repair streams, and what came in them.
#[derive(Debug, Default)]
pub(super) struct Repairs {
    /// The stream that each of them repairs, where that is known.
    streams: BTreeMap<u32, Option<u32>>,
    /// When the packets with these numbers of these streams came again.
    came: BTreeMap<(u32, u16), Instant>,
}

/// What is left of a NACK.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Remainder {
    /// The whole of it.
    All,
    /// These packets have not come.
    Some(TransportLayerNack),
    /// All have come.
    Nothing,
}

impl Repairs {
    /// `ssrc` is a repair stream, of `repaired` where that is known.
    pub(super) fn bind(&mut self, ssrc: u32, repaired: Option<u32>) {
        let known = self.streams.entry(ssrc).or_default();
        *known = known.or(repaired);
    }

    pub(super) fn unbind(&mut self, ssrc: u32) {
        self.streams.remove(&ssrc);
    }

    pub(super) fn has(&self, ssrc: u32) -> bool {
        self.streams.contains_key(&ssrc)
    }

    /// A packet came. In a repair stream its payload begins with the number of the original (section 4); returns that and
    /// the stream that it belongs to. An empty payload is padding and repairs nothing.
    pub(super) fn came(&mut self, at: Instant, ssrc: u32, payload: &[u8]) -> Option<(u32, u16)> {
        let repaired = self.streams.get(&ssrc).copied().flatten()?;
        let number = u16::from_be_bytes(*payload.first_chunk()?);
        if self.came.len() >= MOST {
            self.came.retain(|_, then| is_fresh(at, *then));
        }
        if self.came.len() < MOST {
            self.came.insert((repaired, number), at);
        }
        Some((repaired, number))
    }

    /// What a NACK of ours has still to ask for. Nobody answers one about a repair stream.
    pub(super) fn remainder(&self, at: Instant, nack: &TransportLayerNack) -> Remainder {
        if self.has(nack.media_ssrc) {
            return Remainder::Nothing;
        }
        let asked = || nack.nacks.iter().flat_map(NackPair::packet_list);
        let is_missing = |number: &u16| {
            let came = self.came.get(&(nack.media_ssrc, *number));
            came.is_none_or(|then| !is_fresh(at, *then))
        };
        let missing: Vec<u16> = asked().filter(is_missing).collect();
        if missing.is_empty() {
            Remainder::Nothing
        } else if missing.len() == asked().count() {
            Remainder::All
        } else {
            let TransportLayerNack { sender_ssrc, media_ssrc, .. } = *nack;
            let nacks = nack_pairs_from_sequence_numbers(&missing);
            Remainder::Some(TransportLayerNack { sender_ssrc, media_ssrc, nacks })
        }
    }
}

fn is_fresh(now: Instant, then: Instant) -> bool {
    now.saturating_duration_since(then) < REMEMBERED
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIDEO: u32 = 1;
    const REPAIR: u32 = 2;

    fn start() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    /// Repairs of `VIDEO` in which these numbers came again.
    fn repaired(at: Instant, numbers: &[u16]) -> Repairs {
        let mut repairs = Repairs::default();
        repairs.bind(REPAIR, Some(VIDEO));
        repairs.bind(REPAIR, None);
        for number in numbers {
            let payload = [&number.to_be_bytes()[..], &[7; 10]].concat();
            assert_eq!(repairs.came(at, REPAIR, &payload), Some((VIDEO, *number)));
        }
        repairs
    }

    fn nack(media_ssrc: u32, numbers: &[u16]) -> TransportLayerNack {
        TransportLayerNack { sender_ssrc: 9, media_ssrc, nacks: nack_pairs_from_sequence_numbers(numbers) }
    }

    #[test]
    fn what_came_again_is_not_asked_for_again() {
        let now = start();
        let repairs = repaired(now, &[11, 13]);
        let left = |numbers: &[u16]| repairs.remainder(now, &nack(VIDEO, numbers));
        assert_eq!(left(&[10, 11, 12, 13, 40]), Remainder::Some(nack(VIDEO, &[10, 12, 40])));
        assert_eq!(left(&[10, 12]), Remainder::All);
        assert_eq!(left(&[11, 13]), Remainder::Nothing);
        assert_eq!(repairs.remainder(now, &nack(VIDEO + 5, &[11, 13])), Remainder::All, "another stream's numbers");
    }

    #[test]
    fn numbers_are_told_apart_across_the_wrap() {
        let now = start();
        let repairs = repaired(now, &[65_535, 1]);
        // One pair whose bits reach across the end: 65534, 65535, 0, 1, 2.
        let across = TransportLayerNack {
            nacks: vec![NackPair { packet_id: 65_534, lost_packets: 0b1111 }],
            ..nack(VIDEO, &[])
        };
        assert_eq!(repairs.remainder(now, &across), Remainder::Some(nack(VIDEO, &[65_534, 0, 2])));
    }

    #[test]
    fn a_number_that_comes_round_again_is_a_new_packet() {
        let now = start();
        let repairs = repaired(now, &[11]);
        assert_eq!(repairs.remainder(now + REMEMBERED, &nack(VIDEO, &[11])), Remainder::All);
    }

    #[test]
    fn repair_streams_are_not_asked_for_anything() {
        let repairs = repaired(start(), &[]);
        assert_eq!(repairs.remainder(start(), &nack(REPAIR, &[11])), Remainder::Nothing);
    }

    #[test]
    fn padding_and_streams_that_repair_nothing_known_bring_nothing_back() {
        let mut repairs = repaired(start(), &[]);
        repairs.bind(3, None);
        assert_eq!(repairs.came(start(), REPAIR, &[]), None);
        assert_eq!(repairs.came(start(), REPAIR, &[0]), None);
        assert_eq!(repairs.came(start(), 3, &[0, 1, 2]), None);
        assert_eq!(repairs.came(start(), VIDEO, &[0, 1, 2]), None);
    }

    #[test]
    fn memory_is_bounded_and_has_room_again_for_what_is_new() {
        let now = start();
        let mut repairs = repaired(now, &(0..MOST as u16 + 10).collect::<Vec<_>>());
        assert_eq!(repairs.came.len(), MOST);
        repairs.came(now + REMEMBERED, REPAIR, &[0xff, 0xff, 1]);
        assert_eq!(repairs.came.len(), 1);
    }
}
