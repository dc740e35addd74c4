//! The call brain by its exact outputs.

use std::time::Duration;

use super::*;

mod path;

use DescriptionKind::{Answer, Offer};

struct Harness {
    call: Call,
    now: Instant,
}

impl Harness {
    /// A call of `me` that has just asked to join.
    fn joining() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place where the test takes its base instant")]
        let now = Instant::now();
        Self { call: Call::new(now, Patience::default()), now }
    }

    /// A call of `me` with `other` in the room, READY sent and progress drained.
    fn ready(me: &str, other: &str) -> (Self, Vec<Output>) {
        let mut harness = Self::joining();
        harness.server(FromServer::Me(sid(me)));
        harness.server(FromServer::Members(vec![sid(other), sid(me)]));
        let outputs = harness.server(FromServer::Ready);
        (harness, outputs)
    }

    fn drain(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.call.poll_output()).collect()
    }

    fn server(&mut self, event: FromServer) -> Vec<Output> {
        self.call.handle_server(self.now, event);
        self.drain()
    }

    fn rtc(&mut self, event: RtcEvent) -> Vec<Output> {
        self.call.handle_rtc(self.now, event);
        self.drain()
    }

    fn from(&mut self, from: &str, signal: Signal) -> Vec<Output> {
        self.server(FromServer::Signal { from: Some(sid(from)), signal })
    }

    /// Advances to the next deadline and lets it happen.
    fn next_deadline(&mut self) -> Vec<Output> {
        self.now = self.call.poll_timeout().expect("a deadline is set");
        self.call.handle_timeout(self.now);
        self.drain()
    }
}

fn sid(text: &str) -> SessionId {
    SessionId::parse(text).unwrap()
}

fn description(kind: DescriptionKind) -> Signal {
    Signal::Description { kind, sdp: format!("{kind:?}") }
}

fn local(kind: DescriptionKind) -> RtcEvent {
    RtcEvent::LocalDescription { kind, sdp: format!("{kind:?}") }
}

fn candidate(n: u16) -> Candidate {
    Candidate { candidate: format!("candidate:{n}"), sdp_mid: Some("0".into()), sdp_m_line_index: Some(0) }
}

fn progress(phase: Phase) -> Output {
    Output::Progress(phase)
}

fn offer() -> Output {
    Output::Rtc(RtcCommand::CreateOffer { ice_restart: false })
}

fn accept_offer() -> Output {
    Output::Rtc(RtcCommand::AcceptOffer { sdp: "Offer".into() })
}

fn end(reason: EndReason) -> Vec<Output> {
    vec![Output::Leave, Output::Rtc(RtcCommand::Close), Output::Ended(reason)]
}

#[test]
fn the_smaller_session_id_offers_and_the_larger_one_waits() {
    let (_, outputs) = Harness::ready("a", "b");
    assert_eq!(outputs, [progress(Phase::Ready), offer()]);
    let (_, outputs) = Harness::ready("b", "a");
    assert_eq!(outputs, [progress(Phase::Ready)]);
}

#[test]
fn an_offerer_walks_from_offer_to_media() {
    let (mut a, _) = Harness::ready("a", "b");
    assert_eq!(a.rtc(local(Offer)), [Output::Send(description(Offer)), progress(Phase::OfferSent)]);
    assert_eq!(a.rtc(RtcEvent::LocalCandidate(candidate(1))), [Output::Send(Signal::Candidate(Some(candidate(1))))]);
    assert_eq!(
        a.from("b", description(Answer)),
        [progress(Phase::AnswerReceived), Output::Rtc(RtcCommand::AcceptAnswer { sdp: "Answer".into() })]
    );
    assert_eq!(a.rtc(RtcEvent::RemoteAccepted { kind: Answer }), []);
    assert_eq!(
        a.from("b", Signal::Candidate(Some(candidate(2)))),
        [Output::Rtc(RtcCommand::AddCandidate(candidate(2)))]
    );
    assert_eq!(a.rtc(RtcEvent::IceState(IceState::Checking)), [progress(Phase::IceChecking)]);
    assert_eq!(a.rtc(RtcEvent::IceState(IceState::Connected)), [progress(Phase::IceConnected)]);
    assert_eq!(a.rtc(RtcEvent::Connected), [progress(Phase::Connected)]);
    assert_eq!(a.call.poll_timeout(), None, "a connected call waits for nothing");
    a.call.hang_up();
    assert_eq!(a.drain(), end(EndReason::HungUp));
}

#[test]
fn an_answerer_answers() {
    let (mut b, _) = Harness::ready("b", "a");
    assert_eq!(b.from("a", description(Offer)), [progress(Phase::OfferReceived), accept_offer()]);
    assert_eq!(b.rtc(RtcEvent::RemoteAccepted { kind: Offer }), []);
    assert_eq!(b.rtc(local(Answer)), [Output::Send(description(Answer)), progress(Phase::AnswerSent)]);
}

#[test]
fn candidates_before_the_description_are_kept_and_applied_after_it() {
    let (mut b, _) = Harness::ready("b", "a");
    assert_eq!(b.from("a", Signal::Candidate(Some(candidate(1)))), []);
    b.from("a", description(Offer));
    assert_eq!(b.from("a", Signal::Candidate(Some(candidate(2)))), []);
    assert_eq!(
        b.rtc(RtcEvent::RemoteAccepted { kind: Offer }),
        [Output::Rtc(RtcCommand::AddCandidate(candidate(1))), Output::Rtc(RtcCommand::AddCandidate(candidate(2)))]
    );
    assert_eq!(b.from("a", Signal::Candidate(None)), []);
}

#[test]
fn candidates_before_the_offer_are_bounded() {
    let (mut b, _) = Harness::ready("b", "a");
    for n in 0..1000 {
        b.from("a", Signal::Candidate(Some(candidate(n))));
    }
    b.from("a", description(Offer));
    assert_eq!(b.rtc(RtcEvent::RemoteAccepted { kind: Offer }).len(), 256);
}

#[test]
fn the_echo_of_our_own_signal_is_not_for_us() {
    let (mut a, _) = Harness::ready("a", "b");
    a.rtc(local(Offer));
    assert_eq!(a.from("a", description(Offer)), []);
    assert_eq!(a.from("a", Signal::Candidate(Some(candidate(1)))), []);
}

#[test]
fn in_glare_the_polite_side_rolls_back_and_answers() {
    let (mut b, _) = Harness::ready("b", "a");
    assert_eq!(b.next_deadline(), [offer()], "no offer came for two seconds");
    b.rtc(local(Offer));
    assert_eq!(
        b.from("a", description(Offer)),
        [
            progress(Phase::OfferReceived),
            Output::Rtc(RtcCommand::Rollback),
            progress(Phase::RolledBack),
            accept_offer()
        ]
    );
}

#[test]
fn an_offer_that_was_rolled_back_before_it_was_made_is_never_sent() {
    let (mut b, _) = Harness::ready("b", "a");
    b.next_deadline();
    b.from("a", description(Offer));
    assert_eq!(b.rtc(local(Offer)), [], "the stale offer");
    assert_eq!(b.rtc(local(Answer)).len(), 2, "the answer goes out");
}

#[test]
fn in_glare_the_impolite_side_waits_for_its_answer() {
    let (mut a, _) = Harness::ready("a", "b");
    a.rtc(local(Offer));
    assert_eq!(a.from("b", description(Offer)), [progress(Phase::OfferReceived)]);
    assert_eq!(a.from("b", description(Answer)).len(), 2, "the answer to ours is taken");
    a.rtc(RtcEvent::RemoteAccepted { kind: Answer });
    a.rtc(RtcEvent::Connected);
    assert_eq!(a.call.poll_timeout(), None, "the offer left aside is forgotten");
}

#[test]
fn an_impolite_side_that_gets_no_answer_gives_way_after_two_seconds() {
    let (mut a, _) = Harness::ready("a", "b");
    a.rtc(local(Offer));
    a.from("b", description(Offer));
    assert_eq!(a.next_deadline(), [Output::Rtc(RtcCommand::Rollback), progress(Phase::RolledBack), accept_offer()]);
}

#[test]
fn a_second_ready_starts_nothing() {
    let (mut a, _) = Harness::ready("a", "b");
    assert_eq!(a.server(FromServer::Ready), []);
    a.rtc(local(Offer));
    assert_eq!(a.server(FromServer::Ready), []);
    a.rtc(RtcEvent::Connected);
    assert_eq!(a.server(FromServer::Ready), []);
}

#[test]
fn a_member_list_of_two_replaces_a_ready_that_was_missed() {
    let mut a = Harness::joining();
    a.server(FromServer::Me(sid("a")));
    assert_eq!(a.server(FromServer::Members(vec![sid("a")])), [progress(Phase::Waiting)]);
    assert_eq!(a.server(FromServer::Members(vec![sid("a"), sid("b")])), []);
    assert_eq!(a.next_deadline(), [progress(Phase::Ready), offer()]);
}

#[test]
fn an_offer_before_ready_begins_the_call() {
    let mut b = Harness::joining();
    b.server(FromServer::Me(sid("b")));
    assert_eq!(b.from("a", Signal::Candidate(Some(candidate(1)))), []);
    assert_eq!(
        b.from("a", description(Offer)),
        [progress(Phase::Ready), progress(Phase::OfferReceived), accept_offer()]
    );
    assert_eq!(b.server(FromServer::Ready), []);
    assert_eq!(b.rtc(RtcEvent::RemoteAccepted { kind: Offer }).len(), 1, "the early candidate");
}

#[test]
fn a_peer_that_leaves_in_mid_offer_ends_the_call() {
    let (mut a, _) = Harness::ready("a", "b");
    assert_eq!(a.server(FromServer::Leave(Some(sid("b")))), end(EndReason::PeerLeft));
    assert_eq!(a.rtc(local(Offer)), [], "what comes after the end is nothing");
    let (mut a, _) = Harness::ready("a", "b");
    assert_eq!(a.server(FromServer::Members(vec![sid("a")])), end(EndReason::PeerLeft), "servers without LEAVE");
}

#[test]
fn who_leaves_before_its_description_has_come_leaves_early() {
    let early = |missing| end(EndReason::PeerLeftEarly { missing });
    let leave = |who: &str| FromServer::Leave(Some(sid(who)));
    let (mut a, _) = Harness::ready("a", "b");
    a.rtc(local(Offer));
    assert_eq!(a.server(leave("b")), early(Answer), "our offer is not answered");
    let (mut a, _) = Harness::ready("a", "b");
    a.rtc(local(Offer));
    a.from("b", description(Answer));
    assert_eq!(a.server(leave("b")), end(EndReason::PeerLeft), "both descriptions are exchanged");

    let (mut b, _) = Harness::ready("b", "a");
    assert_eq!(b.server(leave("a")), early(Offer));
    let (mut b, _) = Harness::ready("b", "a");
    b.next_deadline();
    b.rtc(local(Offer));
    assert_eq!(b.server(leave("a")), early(Offer), "ours in its place is not what was to come");
    let (mut b, _) = Harness::ready("b", "a");
    b.from("a", description(Offer));
    assert_eq!(b.server(leave("a")), end(EndReason::PeerLeft), "it is our turn");
}

#[test]
fn the_leave_of_somebody_else_does_not_end_the_call() {
    let (mut a, _) = Harness::ready("a", "b");
    assert_eq!(a.server(FromServer::Leave(Some(sid("c")))), []);
    assert_eq!(a.server(FromServer::Leave(Some(sid("a")))), []);
}

#[test]
fn a_full_room_ends_the_call_at_once() {
    let mut c = Harness::joining();
    let message = "Room is full".to_owned();
    let outputs = c.server(FromServer::Refused { room_full: true, message: message.clone() });
    assert_eq!(outputs, end(EndReason::RoomFull { message }));
}

#[test]
fn every_wait_has_its_end() {
    let mut lonely = Harness::joining();
    assert_eq!(lonely.next_deadline(), end(EndReason::NotJoined));
    let mut lonely = Harness::joining();
    lonely.server(FromServer::Me(sid("a")));
    assert_eq!(lonely.next_deadline(), end(EndReason::NobodyCame));
    let (mut a, _) = Harness::ready("a", "b");
    a.rtc(local(Offer));
    assert_eq!(a.next_deadline(), end(EndReason::NoAnswer));
    let (mut a, _) = Harness::ready("a", "b");
    a.rtc(local(Offer));
    a.from("b", description(Answer));
    assert_eq!(a.next_deadline(), end(ice_failed(false, false)));
    let (mut a, _) = Harness::ready("a", "b");
    a.rtc(RtcEvent::IceState(IceState::Connected));
    assert_eq!(a.next_deadline(), end(EndReason::DtlsTimedOut));
}

fn ice_failed(local_candidates: bool, remote_candidates: bool) -> EndReason {
    EndReason::IceFailed { local_candidates, remote_candidates }
}

#[test]
fn who_was_to_offer_and_did_not_is_told_even_if_our_own_offer_went_out_instead() {
    let (mut b, _) = Harness::ready("b", "a");
    assert_eq!(b.next_deadline(), [offer()]);
    b.rtc(local(Offer));
    assert_eq!(b.next_deadline(), end(EndReason::NoOffer { offered: true }));
}

#[test]
fn an_engine_that_makes_no_description_is_told_as_that() {
    let (mut a, _) = Harness::ready("a", "b");
    let outputs = a.next_deadline();
    assert!(matches!(outputs.last(), Some(Output::Ended(EndReason::EngineFailed { .. }))), "{outputs:?}");
    let (mut b, _) = Harness::ready("b", "a");
    b.from("a", description(Offer));
    let outputs = b.next_deadline();
    assert!(matches!(outputs.last(), Some(Output::Ended(EndReason::EngineFailed { .. }))), "{outputs:?}");
}

#[test]
fn candidates_count_whether_they_trickle_or_stand_in_the_description() {
    let (mut a, _) = Harness::ready("a", "b");
    a.rtc(local(Offer));
    a.rtc(RtcEvent::LocalCandidate(candidate(1)));
    a.from("b", description(Answer));
    assert_eq!(a.rtc(RtcEvent::Failed), end(ice_failed(true, false)));
    let (mut a, _) = Harness::ready("a", "b");
    a.rtc(local(Offer));
    let sdp = "v=0\r\na=candidate:1 1 udp 1 192.0.2.1 5000 typ host\r\n".to_owned();
    a.from("b", Signal::Description { kind: Answer, sdp });
    assert_eq!(a.rtc(RtcEvent::Failed), end(ice_failed(false, true)));
}

#[test]
fn an_engine_that_fails_while_a_pair_works_fails_in_dtls() {
    let (mut a, _) = Harness::ready("a", "b");
    a.rtc(RtcEvent::IceState(IceState::Connected));
    assert_eq!(a.rtc(RtcEvent::Failed), end(EndReason::DtlsFailed));
    let (mut a, _) = Harness::ready("a", "b");
    a.rtc(RtcEvent::IceState(IceState::Connected));
    a.rtc(RtcEvent::IceState(IceState::Disconnected));
    assert_eq!(a.rtc(RtcEvent::Failed), end(ice_failed(false, false)), "the path went away under the handshake");
}

#[test]
fn a_fatal_alert_ends_the_handshake_and_nothing_else() {
    let alert = |by_us| RtcEvent::DtlsAlert { by_us, alert: "bad_certificate".to_owned() };
    for by_us in [true, false] {
        let (mut a, _) = Harness::ready("a", "b");
        a.rtc(RtcEvent::IceState(IceState::Connected));
        let refused = EndReason::DtlsRefused { by_us, alert: "bad_certificate".to_owned() };
        assert_eq!(a.rtc(alert(by_us)), end(refused));
    }
    let (mut a, _) = Harness::ready("a", "b");
    a.rtc(RtcEvent::Connected);
    assert_eq!(a.rtc(alert(false)), [], "with keys agreed on, a word in the clear is nobody's");
    a.rtc(RtcEvent::Disconnected);
    assert_eq!(a.rtc(alert(false)), []);
}

#[test]
fn a_description_that_does_not_parse_ends_the_call_with_its_reason() {
    let (mut b, _) = Harness::ready("b", "a");
    b.from("a", description(Offer));
    let reason = "not SDP".to_owned();
    let outputs = b.rtc(RtcEvent::CommandFailed { command: CommandKind::AcceptOffer, reason: reason.clone() });
    assert_eq!(outputs, end(EndReason::DescriptionRefused { kind: Offer, reason }));
}

#[test]
fn a_candidate_that_does_not_parse_ends_nothing() {
    let (mut b, _) = Harness::ready("b", "a");
    let failed = RtcEvent::CommandFailed { command: CommandKind::AddCandidate, reason: "bad".into() };
    assert_eq!(b.rtc(failed), []);
}

#[test]
fn a_session_resumed_in_mid_negotiation_negotiates_again() {
    let (mut a, _) = Harness::ready("a", "b");
    a.rtc(local(Offer));
    a.server(FromServer::Lost);
    a.server(FromServer::Back);
    a.server(FromServer::Me(sid("a")));
    assert_eq!(a.server(FromServer::Members(vec![sid("a"), sid("b")])), [], "a resumed seat brings no READY");
    assert_eq!(a.next_deadline(), [Output::Rtc(RtcCommand::Rollback), progress(Phase::RolledBack), offer()]);
}

#[test]
fn a_ready_that_overtakes_the_member_list_costs_no_time() {
    let mut a = Harness::joining();
    a.server(FromServer::Me(sid("a")));
    assert_eq!(a.server(FromServer::Ready), [progress(Phase::Ready)]);
    assert_eq!(a.server(FromServer::Members(vec![sid("a"), sid("b")])), [offer()]);
}

#[test]
fn a_server_lost_while_waiting_is_told_as_that() {
    let mut a = Harness::joining();
    a.server(FromServer::Me(sid("a")));
    a.server(FromServer::Lost);
    let outputs = a.next_deadline();
    assert!(matches!(outputs.last(), Some(Output::Ended(EndReason::SignalingLost { .. }))), "{outputs:?}");
}

#[test]
fn a_server_lost_before_it_let_us_in_or_in_mid_negotiation_is_told_as_that() {
    let mut a = Harness::joining();
    a.server(FromServer::Lost);
    let outputs = a.next_deadline();
    assert!(matches!(outputs.last(), Some(Output::Ended(EndReason::SignalingLost { .. }))), "{outputs:?}");
    let (mut a, _) = Harness::ready("a", "b");
    a.rtc(local(Offer));
    a.server(FromServer::Lost);
    let outputs = a.next_deadline();
    assert!(matches!(outputs.last(), Some(Output::Ended(EndReason::SignalingLost { .. }))), "{outputs:?}");
}

#[test]
fn a_server_that_came_back_is_not_blamed_for_an_empty_room() {
    let mut a = Harness::joining();
    a.server(FromServer::Lost);
    a.server(FromServer::Me(sid("a")));
    assert_eq!(a.next_deadline(), end(EndReason::NobodyCame));
}

#[test]
fn a_server_given_up_says_why() {
    for why in [LossKind::Lost, LossKind::NotStomp, LossKind::LoginRefused, LossKind::JoinRefused] {
        let mut a = Harness::joining();
        let reason = "gone".to_owned();
        assert_eq!(
            a.server(FromServer::GaveUp { why, reason: reason.clone() }),
            end(EndReason::SignalingLost { why, reason })
        );
    }
}

#[test]
fn lost_signaling_does_not_touch_media() {
    let (mut a, _) = Harness::ready("a", "b");
    a.rtc(RtcEvent::Connected);
    assert_eq!(a.server(FromServer::Lost), [progress(Phase::SignalingLost)]);
    assert_eq!(a.server(FromServer::Back), [progress(Phase::SignalingBack)]);
    assert_eq!(a.server(FromServer::Me(sid("z"))), []);
    assert_eq!(a.server(FromServer::Members(vec![sid("z")])), [], "the other one is not back yet");
    assert_eq!(a.server(FromServer::GaveUp { why: LossKind::Lost, reason: "gone".into() }), []);
    assert!(a.call.is_connected());
}

#[test]
fn signaling_lost_in_mid_offer_starts_anew_with_the_next_ready() {
    let (mut a, _) = Harness::ready("a", "b");
    a.rtc(local(Offer));
    a.server(FromServer::Lost);
    a.server(FromServer::Back);
    a.server(FromServer::Me(sid("c")));
    a.server(FromServer::Members(vec![sid("c"), sid("d")]));
    assert_eq!(a.server(FromServer::Ready), [Output::Rtc(RtcCommand::Rollback), progress(Phase::RolledBack), offer()]);
}
