//! Whole calls in memory and in virtual time: several call brains with their signaling brains, the server's brains, and
//! the real codec between them. Delays are rolled for each message; a connection keeps its order, different
//! connections overtake each other, and connections break.
//!
//! After every step a [`referee`] that knows the room's rules compares what the server told to whom.

mod engine;
mod referee;
mod world;

use std::time::Duration;

use dialtone_peer::call::EndReason;
use proptest::prelude::*;

use world::{Act, World};

const SECOND: Duration = Duration::from_secs(1);
/// The grace time of the server's default.
const GRACE: Duration = Duration::from_secs(30);

#[test]
fn two_peers_meet_and_one_of_them_offers() {
    for seed in 0..20 {
        let mut world = World::new(seed, GRACE);
        world.plan(SECOND, Act::Start(0));
        world.plan(2 * SECOND, Act::Start(1));
        world.run_for(20 * SECOND);
        assert!(world.is_connected(0) && world.is_connected(1), "{world}");
        assert_eq!(world.offers(), 1, "the smaller session id offers, and only that: {world}");
    }
}

#[test]
fn a_member_that_was_away_when_ready_came_is_called_all_the_same() {
    for seed in 0..20 {
        let mut world = World::new(seed, GRACE);
        world.plan(SECOND, Act::Start(0));
        world.plan(4 * SECOND, Act::Cut { peer: 0, away: 6 * SECOND });
        world.plan(6 * SECOND, Act::Start(1));
        world.run_for(60 * SECOND);
        assert!(world.is_connected(0) && world.is_connected(1), "{world}");
    }
}

#[test]
fn a_connection_lost_in_mid_call_is_resumed_and_nobody_notices() {
    for seed in 0..20 {
        let mut world = World::new(seed, GRACE);
        world.plan(SECOND, Act::Start(0));
        world.plan(SECOND, Act::Start(1));
        for at in [20, 40, 60] {
            world.plan(at * SECOND, Act::Cut { peer: at as usize / 20 % 2, away: 10 * SECOND });
        }
        world.run_for(300 * SECOND);
        assert!(world.is_connected(0) && world.is_connected(1), "{world}");
        assert_eq!(world.offers(), 1, "media is not touched: {world}");
        assert_eq!(world.seated(), 2);
    }
}

#[test]
fn who_stays_away_too_long_loses_its_seat_and_the_other_side_is_told() {
    for seed in 0..20 {
        let mut world = World::new(seed, GRACE);
        world.plan(SECOND, Act::Start(0));
        world.plan(SECOND, Act::Start(1));
        world.plan(20 * SECOND, Act::Crash(0));
        world.run_for(120 * SECOND);
        // Which of both comes first, the LEAVE or the end of hoping for media, is a matter of seconds.
        assert!(matches!(world.end(1), Some(EndReason::PeerLeft | EndReason::IceLost)), "{world}");
        assert_eq!(world.seated(), 0);
    }
}

#[test]
fn a_full_room_turns_the_rest_away_until_somebody_leaves() {
    for seed in 0..20 {
        let mut world = World::new(seed, GRACE);
        for (at, peer) in [(1, 0), (2, 1), (10, 2), (10, 3)] {
            world.plan(at * SECOND, Act::Start(peer));
        }
        world.run_for(30 * SECOND);
        assert!(world.is_connected(0) && world.is_connected(1), "{world}");
        for peer in [2, 3] {
            assert!(matches!(world.end(peer), Some(EndReason::RoomFull { .. })), "{world}");
        }
        world.plan(SECOND, Act::HangUp(0));
        world.plan(10 * SECOND, Act::Start(4));
        world.plan(10 * SECOND, Act::Start(5));
        world.run_for(40 * SECOND);
        assert_eq!(world.end(1), Some(&EndReason::PeerLeft), "{world}");
        assert!(world.is_connected(4) && world.is_connected(5), "{world}");
    }
}

/// What happens to four peers within a minute.
fn acts() -> impl Strategy<Value = Vec<(u64, Act)>> {
    let act = (0..4_usize, 0..5_u8, 100..45_000_u64).prop_map(|(peer, kind, away)| match kind {
        0 => Act::HangUp(peer),
        1 => Act::Crash(peer),
        _ => Act::Cut { peer, away: Duration::from_millis(away) },
    });
    proptest::collection::vec((0..60_000_u64, act), 0..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// However peers come, go, lose their connections and come back: the referee finds the room's rules kept at every
    /// step, whoever was left alone has a call, nobody waits for ever, and every seat is free in the end.
    #[test]
    fn the_rooms_rules_hold_whatever_happens(
        seed in any::<u64>(),
        resumable in any::<bool>(),
        starts in proptest::collection::vec(0..6_000_u64, 2..=4),
        acts in acts(),
    ) {
        let mut world = World::new(seed, if resumable { GRACE } else { Duration::ZERO });
        for (peer, at) in starts.into_iter().enumerate() {
            world.plan(Duration::from_millis(at), Act::Start(peer));
        }
        for (at, act) in acts {
            world.plan(Duration::from_millis(at), act);
        }
        world.run_for(600 * SECOND);
        world.assert_undisturbed_pairs_had_a_call();
        world.assert_nobody_hangs();

        world.everybody_hangs_up();
        world.run_for(60 * SECOND);
        assert_eq!(world.seated(), 0, "a seat was not given back: {world}");
        world.plan(SECOND, Act::Start(4));
        world.plan(SECOND, Act::Start(5));
        world.run_for(30 * SECOND);
        assert!(world.is_connected(4) && world.is_connected(5), "the room is of use again: {world}");
    }
}
