//! One fault at a time is done to a call that is otherwise healthy, and the verdict has to name exactly that one.
//!
//! Each row of the table is a test of its own: a fault, the code of its verdict, what the program exits with, and the
//! function that injects it with real processes. What no process of ours can do wrong, a [`dialtone_tests::Meddler`]
//! before the signaling server, a [`dialtone_tests::Impair`] before the relay or a scripted stranger does.

mod course;
mod descriptions;
mod media;
mod paths;
mod rooms;
mod servers;

pub(crate) use course::lost_in_call;

use std::collections::{BTreeMap, BTreeSet};

use dialtone_peer::verdict::Cause;
use dialtone_tests::{Call, Running, Scratch, peer_cli};

/// A row of the table.
struct Fault {
    name: &'static str,
    code: &'static str,
    exit: i32,
    inject: fn(&Scratch) -> Call,
}

macro_rules! faults {
    ($($name:ident: $code:literal, $exit:literal, $inject:path;)*) => {
        const FAULTS: &[Fault] = &[
            $(Fault { name: stringify!($name), code: $code, exit: $exit, inject: $inject },)*
        ];

        $(#[test] fn $name() { judge(stringify!($name)); })*
    };
}

faults! {
    // On the way to the signaling server.
    host_name_is_unknown: "SIGNALING_DNS", 10, servers::unknown_host;
    nobody_listens: "SIGNALING_UNREACHABLE", 10, servers::refused_port;
    certificate_is_not_trusted: "SIGNALING_TLS", 10, servers::untrusted_certificate;
    tls_meets_a_plain_port: "SIGNALING_TLS", 10, servers::plain_port;
    path_is_wrong: "SIGNALING_HTTP", 10, servers::wrong_path;
    server_has_an_internal_error: "SIGNALING_HTTP", 10, servers::internal_error;
    server_wants_an_http_login: "LOGIN_REFUSED", 10, servers::http_login;
    server_answers_connect_with_error: "LOGIN_REFUSED", 10, servers::stomp_login;
    origin_is_not_allowed: "ORIGIN_REFUSED", 10, servers::foreign_origin;
    port_talks_something_else: "SIGNALING_NOT_WEBSOCKET", 10, servers::another_protocol;
    port_takes_connections_and_is_silent: "SIGNALING_NOT_WEBSOCKET", 10, servers::silent_port;
    websocket_is_an_echo: "SIGNALING_NOT_STOMP", 10, servers::echo;
    websocket_is_silent: "SIGNALING_NOT_STOMP", 10, servers::silent_websocket;
    connect_is_swallowed: "SIGNALING_NOT_STOMP", 10, servers::swallowed_connect;

    // In the room.
    join_is_refused: "JOIN_REFUSED", 10, rooms::refused_join;
    join_is_never_answered: "JOIN_REFUSED", 10, rooms::swallowed_join;
    server_dies_while_waiting: "SIGNALING_LOST", 10, rooms::lost_while_waiting;
    room_is_full: "ROOM_FULL", 11, rooms::full;
    nobody_comes: "NOBODY_CAME", 12, rooms::nobody;
    other_side_leaves: "PEER_LEFT", 12, rooms::leaver;
    other_side_vanishes: "PEER_LEFT", 12, rooms::vanisher;

    // Offer and answer.
    caller_is_silent: "NO_OFFER", 13, descriptions::silent_caller;
    offers_are_swallowed: "NO_OFFER", 13, descriptions::swallowed_offers;
    callee_is_silent: "NO_ANSWER", 13, descriptions::silent_callee;
    answers_are_swallowed: "NO_ANSWER", 13, descriptions::swallowed_answers;
    answers_are_swallowed_and_checks_fail_meanwhile: "NO_ANSWER", 13, descriptions::swallowed_answers_with_patience;
    offer_is_nonsense: "DESCRIPTION_REFUSED", 13, descriptions::bad_offer;
    answer_is_nonsense: "DESCRIPTION_REFUSED", 13, descriptions::bad_answer;
    address_to_bind_is_not_ours: "ENGINE_FAILED", 13, descriptions::foreign_address;
    relay_is_wanted_and_none_is_named: "ENGINE_FAILED", 13, descriptions::no_relay_named;

    // The path.
    candidates_are_stripped: "NO_CANDIDATES", 14, paths::stripped_candidates;
    stun_server_is_silent: "STUN_UNREACHABLE", 14, paths::silent_stun;
    turn_server_is_silent: "TURN_UNREACHABLE", 14, paths::silent_turn;
    turn_server_is_not_there: "TURN_UNREACHABLE", 14, paths::closed_turn;
    turn_server_has_an_unknown_name: "TURN_UNREACHABLE", 14, paths::unknown_turn;
    turn_port_over_tcp_is_closed: "TURN_UNREACHABLE", 14, paths::closed_turn_over_tcp;
    turn_certificate_is_not_trusted: "TURN_UNREACHABLE", 14, paths::untrusted_turn;
    turn_password_is_wrong: "TURN_LOGIN_REFUSED", 14, paths::wrong_password;
    turn_password_is_wrong_over_tcp: "TURN_LOGIN_REFUSED", 14, paths::wrong_password_over_tcp;
    turn_password_is_wrong_over_tls: "TURN_LOGIN_REFUSED", 14, paths::wrong_password_over_tls;
    turn_user_has_no_allocation_left: "TURN_QUOTA", 14, paths::used_up_quota;
    relay_may_not_reach_the_other_side: "TURN_PEER_REFUSED", 14, paths::refused_peer;
    networks_have_no_way_to_each_other: "NEED_RELAY", 14, paths::no_way;
    checks_are_lost_behind_the_relay: "ICE_FAILED", 14, paths::lost_checks;
    wire_is_cut_in_mid_call: "ICE_LOST", 14, paths::cut_wire;
    dtls_is_dropped: "DTLS_FAILED", 14, paths::dropped_dtls;
    fingerprint_is_another_one: "DTLS_FAILED", 14, paths::wrong_fingerprint;

    // The media.
    codecs_are_all_unknown: "NO_COMMON_CODEC", 15, media::unknown_codecs;
    media_is_dropped_one_way: "NO_MEDIA", 15, media::dropped_one_way;
    media_is_dropped_both_ways: "NO_MEDIA", 15, media::dropped_both_ways;
    sound_alone_is_dropped: "NO_MEDIA", 15, media::dropped_sound;
    media_stops_in_mid_call: "MEDIA_STOPPED", 15, media::stopped;
    pictures_are_junk: "NOT_DECODABLE", 16, media::junk;
    camera_is_covered: "BLACK_PICTURE", 16, media::black;
    camera_hangs: "FROZEN_PICTURE", 16, media::frozen;
    calls_are_crossed: "WRONG_PICTURE", 16, media::crossed_pictures;
    calls_of_sound_are_crossed: "WRONG_TONE", 16, media::crossed_tones;
    microphone_is_muted: "SILENCE", 16, media::silence;
    media_takes_another_relay: "RELAY_NOT_USED", 16, media::another_relay;

    // The course of the run.
    server_dies_in_mid_call: "SIGNALING_LOST_IN_CALL", 0, lost_in_call;
    expectation_is_missed: "QUALITY_BELOW_EXPECTED", 18, course::missed_expectation;
    run_takes_too_long: "TIMED_OUT", 17, course::too_long;
    run_is_stopped_early: "INTERRUPTED", 130, course::stopped;
}

/// Injects a fault and looks at what is said about it: to machines, and to people.
fn judge(name: &str) {
    let fault = FAULTS.iter().find(|fault| fault.name == name).unwrap();
    let call = (fault.inject)(&Scratch::new(name));
    call.assert_verdict(fault.code, fault.exit);
    assert_eq!(call.at("/verdict/ok").as_bool(), Some(fault.exit == 0), "{}", call.report);
    assert!(!call.text("/verdict/remedy").is_empty(), "there is no remedy: {}", call.report);
    let facts = call.at("/verdict/facts").as_array().map_or(&[][..], Vec::as_slice);
    let told = facts.iter().all(|fact| fact.as_str().is_some_and(|fact| !fact.is_empty()));
    assert!(!facts.is_empty() && told, "there are no facts: {}", call.report);
    // With the report on standard output, people read the course of it on the other one.
    let shown = if call.stdout.trim_start().starts_with('{') { &call.stderr } else { &call.stdout };
    let sentence = in_one_line(call.text("/verdict/sentence"));
    assert!(in_one_line(shown).contains(&sentence), "{sentence:?} is not shown:\n{shown}");
}

/// However wide the terminal is.
fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A call between two peers of one process, with its report.
fn call(server: &str, options: &[&str]) -> Call {
    peer_cli(["call", "--server", server, "--json"].into_iter().chain(options.iter().copied()))
}

/// One peer in the room `r`, with its report. It counts against nothing: where this is used it mostly waits.
fn join(server: &str, options: &[&str]) -> Call {
    Running::partner(["join", "r", "--server", server, "--json"].into_iter().chain(options.iter().copied())).wait()
}

#[test]
fn every_cause_is_provoked_by_a_row() {
    let provoked: BTreeSet<&str> = FAULTS.iter().map(|fault| fault.code).collect();
    let causes: BTreeSet<&str> = Cause::ALL.iter().map(|cause| cause.code()).filter(|code| *code != "OK").collect();
    assert_eq!(provoked, causes);
    assert!(FAULTS.len() >= 36, "{} rows", FAULTS.len());
}

#[test]
fn rows_and_causes_agree_about_exit_codes() {
    let exits: BTreeMap<&str, i32> = Cause::ALL.iter().map(|cause| (cause.code(), cause.exit_code().into())).collect();
    for fault in FAULTS {
        assert_eq!(exits.get(fault.code), Some(&fault.exit), "{}", fault.name);
    }
}
