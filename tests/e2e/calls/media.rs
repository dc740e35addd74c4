//! What is sent, and that it arrives.

use dialtone_tests::{Scratch, fixture, peer_cli};

use super::{assert_media_arrived, assert_phases, assert_relayed, assert_test_signals_both_ways, received_bytes};

#[test]
fn one_command_places_a_whole_call() {
    let call = peer_cli(["call", "--duration", "1s", "--json"]);
    assert_test_signals_both_ways(&call);
    assert_eq!(call.text("/schema"), "dialtone.report/1");
    assert_eq!(call.at("/embedded"), true);
    assert_eq!((call.text("/peers/0/name"), call.text("/peers/1/name")), ("alice", "bob"));
    for peer in 0..2 {
        let order =
            ["socket-open", "stomp-connected", "joined", "ready", "ice-connected", "connected", "first-picture"];
        assert_phases(&call, peer, &order);
        assert_phases(&call, peer, &["connected", "hung-up"]);
    }
    let offers: Vec<_> = (0..2).filter(|peer| call.phases(*peer).contains(&"offer-sent")).collect();
    assert_eq!(offers.len(), 1, "one side calls: {}", call.report);
    assert!(call.stderr.contains("PASS"), "people read the course of it beside the JSON: {}", call.stderr);
}

#[test]
fn a_person_reads_phases_then_a_table_then_the_verdict() {
    let call = peer_cli(["call", "--duration", "500ms"]);
    assert_eq!(call.code, 0, "{}\n{}", call.stdout, call.stderr);
    let place = |words: &str| call.stdout.find(words).unwrap_or_else(|| panic!("{words} in\n{}", call.stdout));
    let places = [place("READY"), place("first picture"), place("alice -> bob"), place("bob -> alice"), place("PASS")];
    assert!(places.is_sorted(), "{}", call.stdout);
    let quiet = peer_cli(["call", "--duration", "500ms", "--quiet"]);
    assert!(quiet.stdout.starts_with("PASS ") && quiet.stdout.lines().count() == 1, "{}", quiet.stdout);
}

#[test]
fn a_call_forced_through_the_relay_is_counted_there() {
    let call = peer_cli(["call", "--relay-only", "--duration", "1s", "--json"]);
    assert_test_signals_both_ways(&call);
    assert_relayed(&call);
    let received = received_bytes(&call);
    assert!(received > 0.0);
    for counter in ["bytes_to_peers", "bytes_to_clients"] {
        assert!(call.number(&format!("/relay/{counter}")) >= received, "{counter}: {}", call.report);
    }
    assert!(call.number("/relay/allocations") >= 2.0, "{}", call.report);
}

#[test]
fn h264_is_used_where_it_is_asked_for() {
    let call = peer_cli(["call", "--codec", "h264", "--duration", "1s", "--json"]);
    assert_test_signals_both_ways(&call);
    for direction in 0..2 {
        assert_eq!(call.text(&format!("/directions/{direction}/video/codec")), "H264");
    }
}

#[test]
fn files_with_vp8_and_opus_are_sent() {
    let speech = file("speech-opus.ogg");
    for video in ["bunny-vp8-opus.webm", "bunny-vp8.ivf"] {
        let call = peer_cli(["call", "--video", &file(video), "--audio", &speech, "--duration", "2s", "--json"]);
        assert_media_arrived(&call);
        for direction in 0..2 {
            assert_eq!(call.text(&format!("/directions/{direction}/video/codec")), "VP8");
            let size = ["width", "height"].map(|side| call.number(&format!("/directions/{direction}/video/{side}")));
            assert_eq!(size, [640.0, 360.0]);
        }
    }
}

#[test]
fn a_file_with_h264_and_opus_is_sent() {
    let mkv = file("bunny-h264-opus.mkv");
    let call = peer_cli(["call", "--video", &mkv, "--audio", &mkv, "--duration", "2s", "--json"]);
    assert_media_arrived(&call);
    for direction in 0..2 {
        assert_eq!(call.text(&format!("/directions/{direction}/video/codec")), "H264");
    }
}

#[test]
fn silence_is_not_taken_for_sound() {
    let scratch = Scratch::new("silence");
    let wav = scratch.write("silence.wav", silent_wav(2));
    let call = peer_cli(["call", "--audio", wav.to_str().unwrap(), "--duration", "1s", "--json"]);
    call.assert_verdict("SILENCE", 16);
}

#[test]
fn a_call_of_sound_alone_works() {
    let call = peer_cli(["call", "--video", "none", "--duration", "1s", "--json"]);
    call.assert_verdict("OK", 0);
    for direction in 0..2 {
        assert!(call.at(&format!("/directions/{direction}/video")).is_null(), "{}", call.report);
        assert_eq!(call.at(&format!("/directions/{direction}/audio/audible")), true);
    }
}

fn file(name: &str) -> String {
    fixture(name).to_str().unwrap().to_owned()
}

/// Seconds of digital silence: 48 kHz, one channel, 16 bits.
fn silent_wav(seconds: u32) -> Vec<u8> {
    const RATE: u32 = 48_000;
    let data = seconds * RATE * 2;
    let mut wav = Vec::new();
    wav.extend_from_slice(b"RIFF");
    wav.extend_from_slice(&(36 + data).to_le_bytes());
    wav.extend_from_slice(b"WAVEfmt ");
    wav.extend_from_slice(&16_u32.to_le_bytes());
    wav.extend_from_slice(&1_u16.to_le_bytes());
    wav.extend_from_slice(&1_u16.to_le_bytes());
    wav.extend_from_slice(&RATE.to_le_bytes());
    wav.extend_from_slice(&(RATE * 2).to_le_bytes());
    wav.extend_from_slice(&2_u16.to_le_bytes());
    wav.extend_from_slice(&16_u16.to_le_bytes());
    wav.extend_from_slice(b"data");
    wav.extend_from_slice(&data.to_le_bytes());
    wav.resize(44 + data as usize, 0);
    wav
}
