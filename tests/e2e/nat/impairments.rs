//! What a site's uplink does to packets, held against what a call over it reports, and against what the kernel counted
//! at both ends of it.

use std::ops::Range;

use serde_json::Value;

use super::{documents, lab_shell};

/// A call between `a`, whose uplink is impaired, and `b`.
struct Ran {
    /// Those of `a` and `b`.
    reports: [Value; 2],
    /// Packets that one sent and the other one received: from `b` to `a`, from `a` to `b`.
    ways: [Way; 2],
}

#[derive(Debug)]
struct Way {
    sent: f64,
    received: f64,
}

/// Places the call. The wire is ours, also where the kernel has one: what it promises is what is held to here.
fn call(sites: &str, options: &str) -> Option<Ran> {
    let line = format!(
        r#"
        export PEER_CLI_SIZE=320x240 PEER_CLI_FPS=15 PEER_CLI_WAIT=30s
        join() {{
            "@$1" peer-cli join r --ice "$LAB_STUN" --duration 6s --quiet {options} "--json=$LAB/$1.json" > /dev/null
        }}
        join a & first=$!; join b & second=$!
        wait $first || true; wait $second || true
        cat "$LAB/a.json" "$LAB/b.json"
        lab-counters a; lab-counters b
        "#
    );
    let out = lab_shell(&["--no-netem"], sites, &line)?.well();
    let [first, second, a, b] = documents(&out);
    let direct = |count: &Value, what: &str| count["direct"][what].as_f64().expect("packets are counted");
    let way =
        |from: &Value, to: &Value| Way { sent: direct(from, "sent_packets"), received: direct(to, "received_packets") };
    Some(Ran { ways: [way(&b, &a), way(&a, &b)], reports: [first, second] })
}

impl Ran {
    /// Fails unless each side takes its call for a good one.
    #[track_caller]
    fn assert_works(&self) {
        for report in &self.reports {
            assert_eq!(report["verdict"]["code"], "OK", "{report}");
        }
    }

    /// Fails unless this figure of a stream lies between these two at each side.
    #[track_caller]
    fn assert_figure(&self, stream: &str, name: &str, bounds: Range<f64>) {
        for report in &self.reports {
            let figures = &report["directions"][0][stream];
            let value = figures[name].as_f64().unwrap_or_else(|| panic!("{stream} has no {name}: {figures}"));
            assert!(bounds.contains(&value), "{name} of {stream} is {value}, not in {bounds:?}: {figures}");
        }
    }

    /// Fails unless so many packets arrived, each way, for each one that was sent.
    #[track_caller]
    fn assert_arrived(&self, bounds: Range<f64>) {
        for way in &self.ways {
            let share = way.received / way.sent;
            assert!(bounds.contains(&share), "{share} of the packets arrived: {way:?}");
        }
    }
}

#[test]
fn jitter_is_measured_and_does_no_harm() {
    let Some(ran) = call("a=home+delay=40ms+jitter=30ms,b=home", "") else { return };
    ran.assert_works();
    // Without it there are some 2 ms of it.
    ran.assert_figure("audio", "jitter_ms", 5.0..200.0);
    ran.assert_figure("video", "jitter_ms", 3.0..200.0);
    // The wire keeps the order, and all frames.
    ran.assert_figure("video", "network_loss_percent", 0.0..0.5);
}

#[test]
fn packets_that_overtake_others_are_counted_and_not_taken_for_lost() {
    // Only what has another packet close before it can overtake one.
    let Some(ran) = call("a=home+delay=40ms+reorder=20%,b=home", "--bitrate 1M") else { return };
    ran.assert_works();
    ran.assert_figure("video", "reordered", 5.0..400.0);
    ran.assert_figure("audio", "reordered", 5.0..300.0);
    ran.assert_figure("video", "loss_percent", 0.0..0.5);
    ran.assert_figure("audio", "loss_percent", 0.0..0.5);
}

/// SRTP drops what comes twice before anybody else sees it (RFC 3711 section 3.3.2).
#[test]
fn packets_that_come_twice_are_judged_once() {
    let Some(ran) = call("a=home+duplicate=20%,b=home", "") else { return };
    ran.assert_works();
    ran.assert_arrived(1.1..1.3);
    ran.assert_figure("video", "loss_percent", 0.0..0.5);
    ran.assert_figure("audio", "loss_percent", 0.0..0.5);
    // Six seconds at 50 a second.
    ran.assert_figure("audio", "packets", 200.0..330.0);
    ran.assert_figure("video", "wrong_peer", 0.0..1.0);
}

#[test]
fn a_lossy_line_is_seen_as_one_and_carries_the_call_all_the_same() {
    let Some(ran) = call("a=home+loss=5%,b=home", "") else { return };
    ran.assert_works();
    ran.assert_arrived(0.88..0.99);
    ran.assert_figure("video", "network_loss_percent", 1.0..12.0);
    // Nobody asks for sound again.
    ran.assert_figure("audio", "loss_percent", 1.0..12.0);
}

/// What asks for more than an expectation allows is told by name, and by an exit code of its own. More loss than this, and
/// one handshake of DTLS in some twenty takes longer than a peer waits for it: each of its flights has several packets.
#[test]
fn an_expectation_that_a_lossy_line_does_not_meet_is_the_verdict() {
    let Some(ran) = call("a=home+loss=12%,b=home", "--expect 'audio.network_loss_percent<2'") else { return };
    for report in &ran.reports {
        assert_eq!(report["verdict"]["code"], "QUALITY_BELOW_EXPECTED", "{report}");
    }
    ran.assert_arrived(0.78..0.97);
    ran.assert_figure("video", "network_loss_percent", 4.0..24.0);
    // Most of the pictures' packets are had all the same, because they are asked for again.
    for report in &ran.reports {
        let video = &report["directions"][0]["video"];
        let [network, rest] = ["network_loss_percent", "loss_percent"].map(|name| video[name].as_f64().unwrap());
        assert!(rest < network / 2.0, "{video}");
    }
}

#[test]
fn a_live_picture_keeps_within_what_a_narrow_line_carries() {
    let Some(ran) = call("a=home+rate=400kbit,b=home", "--live") else { return };
    ran.assert_works();
    // What is not the picture's own: sound, headers, what is sent again.
    ran.assert_figure("video", "bitrate_kbps", 60.0..370.0);
    ran.assert_figure("audio", "bitrate_kbps", 20.0..40.0);
}

/// The wire is ours: what it carries it must not lose, and what it delays must be seen.
#[test]
fn a_long_line_carries_a_call_of_two_megabits_without_losing_a_packet_of_its_own() {
    let Some(ran) = call("a=home+delay=50ms,b=home", "--bitrate 2M --size 640x480 --fps 30") else { return };
    ran.assert_works();
    ran.assert_figure("video", "network_loss_percent", 0.0..0.0001);
    for report in &ran.reports {
        let rtt = report["peers"][0]["pair"]["rtt_ms"].as_f64().expect("a round trip was measured");
        assert!((100.0..160.0).contains(&rtt), "50 ms each way, and {rtt} ms there and back");
    }
}
