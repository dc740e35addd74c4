//! Which datagrams can leave together: put in order by flow, and cut into runs that one system call can send.

use std::net::{IpAddr, SocketAddr};

/// Segments in one call (`UDP_MAX_SEGMENTS` of older kernels).
const SEGMENTS: usize = 64;
/// Bytes in one call: a little less than what the length field of a datagram can say.
const TRAIN: usize = 65_000;

/// The socket a datagram leaves by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Via {
    /// One of the worker's listeners, by its place among them.
    Listener(u32),
    /// A relay socket, by its slot.
    Relay(u32),
}

/// Datagrams of one flow keep their order, and may leave as one train.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flow {
    pub(super) via: Via,
    pub(super) to: SocketAddr,
    /// The address of ours that it leaves from, where the socket has several.
    pub(super) from: Option<IpAddr>,
    pub(super) dont_fragment: bool,
}

/// One datagram: its flow, and where its bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) flow: Flow,
    pub(super) start: usize,
    pub(super) length: usize,
}

/// Cuts a batch into runs. Kept between batches for its memory alone.
#[derive(Debug, Default)]
pub(super) struct Runs {
    /// Flow and place of every item.
    order: Vec<(u64, u32)>,
    next: usize,
    run: Vec<Item>,
}

impl Runs {
    /// Starts with a new batch. Without `trains`, every datagram leaves alone, in the order they came.
    pub(super) fn begin(&mut self, items: &[Item], trains: bool) {
        self.order.clear();
        self.next = 0;
        let places = (0_u32..).zip(items);
        self.order.extend(places.map(|(place, item)| (if trains { item.flow.key() } else { 0 }, place)));
        if trains {
            // By key, and within one key as they came.
            self.order.sort_unstable();
        }
    }

    /// The next run of the batch: datagrams of one flow, all of one length but the last, which may be shorter.
    pub(super) fn next(&mut self, items: &[Item], trains: bool) -> Option<&[Item]> {
        let item_at = |at: usize| self.order.get(at).and_then(|(_, place)| items.get(*place as usize));
        let first = item_at(self.next)?;
        self.run.clear();
        self.run.push(*first);
        let (mut at, mut total, mut last) = (self.next + 1, first.length, first.length);
        while trains && self.run.len() < SEGMENTS && last == first.length {
            let Some(next) = item_at(at) else {
                break;
            };
            let fits =
                next.flow == first.flow && (1..=first.length).contains(&next.length) && total + next.length <= TRAIN;
            if !fits {
                break;
            }
            self.run.push(*next);
            total += next.length;
            last = next.length;
            at += 1;
        }
        self.next = at;
        Some(&self.run)
    }
}

impl Flow {
    /// Different for different flows, nearly always: where it is not, a train is shorter than it could be.
    fn key(&self) -> u64 {
        let via = match self.via {
            Via::Listener(place) => u64::from(place) << 1,
            Via::Relay(slot) => (u64::from(slot) << 1) | 1,
        };
        let ip = match self.to.ip() {
            IpAddr::V4(ip) => u64::from(u32::from(ip)),
            IpAddr::V6(ip) => {
                let [a, b, c, d, e, f, g, h] = ip.segments().map(u64::from);
                // The upper half is turned, so that it does not cancel out the lower one.
                (a << 48 | b << 32 | c << 16 | d).rotate_left(29) ^ (e << 48 | f << 32 | g << 16 | h)
            }
        };
        let port = u64::from(self.to.port());
        (ip ^ (port << 44) ^ via.rotate_left(20)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn flows_that_alternate_leave_as_one_train_each() {
        let items = batch(&[(1, 100), (2, 100), (1, 100), (2, 100), (1, 100)]);
        let mut runs = lengths(&items, true);
        runs.sort_by_key(Vec::len);
        assert_eq!(runs, [vec![100; 2], vec![100; 3]]);
    }

    #[test]
    fn only_the_last_of_a_train_is_shorter_and_none_is_longer() {
        let items = batch(&[(1, 100), (1, 100), (1, 60), (1, 100), (1, 120), (1, 120)]);
        assert_eq!(lengths(&items, true), [vec![100, 100, 60], vec![100], vec![120, 120]]);
    }

    #[test]
    fn empty_datagram_leaves_alone() {
        let items = batch(&[(1, 100), (1, 0), (1, 100), (1, 0), (1, 0)]);
        assert_eq!(lengths(&items, true), [vec![100], vec![0], vec![100], vec![0], vec![0]]);
    }

    #[test]
    fn train_ends_before_it_has_too_many_segments_or_bytes() {
        let items = batch(&[(1, 10); 65]);
        assert_eq!(lengths(&items, true), [vec![10; 64], vec![10]]);
        let items = batch(&[(1, 13_000); 6]);
        assert_eq!(lengths(&items, true), [vec![13_000; 5], vec![13_000]]);
    }

    #[test]
    fn without_trains_everything_leaves_alone_and_as_it_came() {
        let items = batch(&[(2, 100), (1, 100), (2, 100)]);
        let mut runs = Runs::default();
        runs.begin(&items, false);
        let mut came = Vec::new();
        while let Some(run) = runs.next(&items, false) {
            came.push(run.to_vec());
        }
        assert_eq!(came, items.iter().map(|item| vec![*item]).collect::<Vec<_>>());
    }

    #[test]
    fn what_differs_in_anything_but_its_bytes_is_another_flow() {
        let [one] = batch(&[(1, 10)])[..] else { panic!("one item") };
        let others = [
            Flow { via: Via::Listener(1), ..one.flow },
            Flow { from: Some([192, 0, 2, 1].into()), ..one.flow },
            Flow { dont_fragment: true, ..one.flow },
        ];
        for flow in others {
            assert_eq!(lengths(&[one, Item { flow, ..one }], true), [vec![10], vec![10]], "{flow:?}");
        }
    }

    proptest! {
        #[test]
        fn every_datagram_leaves_once_and_after_those_before_it(
            given in proptest::collection::vec((0_u8..4, prop_oneof![Just(0_usize), Just(100), Just(200), 1..300_usize]), 0..200),
        ) {
            let items = batch(&given);
            let mut runs = Runs::default();
            runs.begin(&items, true);
            let mut came: Vec<Item> = Vec::new();
            while let Some(run) = runs.next(&items, true) {
                came.extend(run);
            }
            prop_assert_eq!(came.len(), items.len());
            for flow in 0..4 {
                let of_flow = |all: &[Item]| {
                    all.iter().filter(|item| item.flow.to.port() == flow).map(|item| item.start).collect::<Vec<_>>()
                };
                prop_assert_eq!(of_flow(&came), of_flow(&items));
            }
        }
    }

    fn batch(given: &[(u8, usize)]) -> Vec<Item> {
        given
            .iter()
            .enumerate()
            .map(|(start, (flow, length))| Item {
                flow: Flow {
                    via: Via::Relay(7),
                    to: SocketAddr::from(([192, 0, 2, 9], u16::from(*flow))),
                    from: None,
                    dont_fragment: false,
                },
                start,
                length: *length,
            })
            .collect()
    }

    fn lengths(items: &[Item], trains: bool) -> Vec<Vec<usize>> {
        let mut runs = Runs::default();
        runs.begin(items, trains);
        let mut all = Vec::new();
        while let Some(run) = runs.next(items, trains) {
            all.push(run.iter().map(|item| item.length).collect());
        }
        all
    }
}
