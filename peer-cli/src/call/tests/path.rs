//! A path that is cut, and what brings it back.

use super::*;

/// A call of `me` with `other` over which media flows.
fn connected(me: &str, other: &str) -> Harness {
    let (mut harness, _) = Harness::ready(me, other);
    if me < other {
        harness.rtc(local(Offer));
        harness.from(other, description(Answer));
        harness.rtc(RtcEvent::RemoteAccepted { kind: Answer });
    } else {
        harness.from(other, description(Offer));
        harness.rtc(RtcEvent::RemoteAccepted { kind: Offer });
        harness.rtc(local(Answer));
    }
    harness.rtc(RtcEvent::Connected);
    harness
}

#[test]
fn media_that_is_cut_is_restarted_until_it_is_back_or_hope_is_over() {
    let restart = Output::Rtc(RtcCommand::CreateOffer { ice_restart: true });
    let (mut a, _) = Harness::ready("a", "b");
    a.rtc(local(Offer));
    a.from("b", description(Answer));
    a.rtc(RtcEvent::RemoteAccepted { kind: Answer });
    a.rtc(RtcEvent::Connected);
    assert_eq!(a.rtc(RtcEvent::Disconnected), [progress(Phase::Interrupted)]);
    assert_eq!(a.next_deadline(), [progress(Phase::IceRestart), restart.clone()]);
    a.rtc(local(Offer));
    assert_eq!(
        a.next_deadline(),
        [Output::Rtc(RtcCommand::Rollback), progress(Phase::RolledBack), progress(Phase::IceRestart), restart],
        "the first restart was not answered"
    );
    assert_eq!(a.rtc(RtcEvent::Connected), [progress(Phase::Connected)]);
    assert_eq!(a.call.poll_timeout(), None);
    a.rtc(RtcEvent::Disconnected);
    let lost = loop {
        let outputs = a.next_deadline();
        if outputs.iter().any(|output| matches!(output, Output::Ended(_))) {
            break outputs;
        }
    };
    assert!(lost.ends_with(&end(EndReason::IceLost)), "{lost:?}");
}

#[test]
fn hanging_up_on_media_that_is_cut_is_not_a_good_end() {
    let (mut a, _) = Harness::ready("a", "b");
    a.rtc(RtcEvent::Connected);
    a.rtc(RtcEvent::Disconnected);
    a.call.hang_up();
    assert_eq!(a.drain(), end(EndReason::IceLost));
}

#[test]
fn signaling_that_comes_back_restarts_what_is_cut() {
    let (mut a, _) = Harness::ready("a", "b");
    a.rtc(RtcEvent::Connected);
    a.rtc(RtcEvent::Disconnected);
    a.server(FromServer::Lost);
    a.server(FromServer::Back);
    assert_eq!(a.call.poll_timeout(), Some(a.now));
}

#[test]
fn a_network_that_changed_is_restarted_at_once_by_whoever_moved() {
    for (me, other) in [("a", "b"), ("b", "a")] {
        let (mut moved, _) = Harness::ready(me, other);
        moved.rtc(RtcEvent::Connected);
        moved.call.handle_network_change(moved.now, true);
        assert_eq!(moved.drain(), [progress(Phase::Interrupted)]);
        let changed = moved.now;
        let restart = Output::Rtc(RtcCommand::CreateOffer { ice_restart: true });
        let outputs = moved.next_deadline();
        assert!(outputs.ends_with(&[progress(Phase::IceRestart), restart]), "{outputs:?}");
        assert!(moved.now - changed < Duration::from_millis(500));
    }
}

#[test]
fn a_restart_after_a_change_of_network_waits_for_the_server_where_that_was_lost_too() {
    let (mut a, _) = Harness::ready("a", "b");
    a.rtc(RtcEvent::Connected);
    a.call.handle_network_change(a.now, true);
    a.server(FromServer::Lost);
    assert_eq!(a.next_deadline(), [], "nobody would hear the offer");
    a.server(FromServer::Back);
    let outputs = a.next_deadline();
    assert!(outputs.contains(&progress(Phase::IceRestart)), "{outputs:?}");
}

#[test]
fn a_relay_that_is_lost_is_restarted_by_the_caller_and_by_the_callee_only_when_no_offer_comes() {
    let restart = [progress(Phase::IceRestart), Output::Rtc(RtcCommand::CreateOffer { ice_restart: true })];
    let (mut a, mut b) = (connected("a", "b"), connected("b", "a"));
    for side in [&mut a, &mut b] {
        assert_eq!(side.rtc(RtcEvent::RelayLost), [progress(Phase::Interrupted)]);
        assert_eq!(side.rtc(RtcEvent::RelayLost), [], "one loss is enough");
    }
    let lost = a.now;
    assert_eq!(a.next_deadline(), restart);
    assert!(a.now - lost < Duration::from_millis(200), "long before ICE notices");

    let own = b.call.poll_timeout().unwrap();
    assert!(own - lost < Duration::from_secs(1) && own > a.now, "the caller is first");
    b.now = a.now;
    b.from("a", description(Offer));
    assert!(b.call.poll_timeout().unwrap() > own + Duration::from_secs(1), "what comes of it is waited for");
    assert_eq!(b.rtc(RtcEvent::IceState(IceState::Connected)), [progress(Phase::Connected)]);
    assert_eq!(b.call.poll_timeout(), None);

    let mut alone = connected("b", "a");
    alone.rtc(RtcEvent::RelayLost);
    assert_eq!(alone.next_deadline(), restart, "the other side has another relay, and noticed nothing");
}

#[test]
fn an_address_that_comes_beside_the_others_touches_no_call() {
    let (mut a, _) = Harness::ready("a", "b");
    a.rtc(RtcEvent::Connected);
    a.call.handle_network_change(a.now, false);
    assert_eq!((a.drain(), a.call.poll_timeout()), (vec![], None));
}
