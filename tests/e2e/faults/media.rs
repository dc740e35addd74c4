//! What can be wrong with pictures and sound once the path is up.

use std::collections::BTreeMap;

use dialtone_tests::{
    Bound, Call, Deed, Fate, Kind, Meddler, Packet, Passing, Program, Running, Scratch, Way, peer_cli,
};
use dialtone_wire::stomp::{Frame, Headers};

use super::call;
use super::paths::with_sdp;
use crate::PLAIN;
use crate::calls::received_bytes;
use crate::turn::Relay;
use crate::wired::{ALICE, Wired};

/// Opus as our engine numbers it.
const OPUS: u8 = 111;

/// The offer speaks of codecs that the answering side does not have.
pub(super) fn unknown_codecs(_: &Scratch) -> Call {
    let (_server, url) = Program::server(PLAIN);
    let meddler = Meddler::before(&url, |passing| {
        if passing.is_sent("ANSWER") {
            return Deed::Pass;
        }
        with_sdp(passing, |line| line.replace(" VP8/90000", " VP9/90000").replace(" H264/90000", " AV1/90000"))
    });
    call(&meddler.url(), &["--duration", "2s"])
}

/// The way is named.
pub(super) fn dropped_one_way(_: &Scratch) -> Call {
    let call = losing(|packet| packet.client == ALICE && packet.way == Way::Up);
    assert_eq!(call.text("/directions/1/to"), "alice");
    assert!(call.number("/directions/1/video/packets") > 0.0, "the other way is fine: {}", call.report);
    let sentence = call.text("/verdict/sentence");
    assert!(sentence.contains("from alice to bob"), "{sentence}");
    call
}

pub(super) fn dropped_both_ways(_: &Scratch) -> Call {
    losing(|_| true)
}

pub(super) fn dropped_sound(_: &Scratch) -> Call {
    let call = losing(|packet| packet.kind == Kind::Rtp(OPUS));
    assert!(call.text("/verdict/sentence").contains("audio"), "{}", call.report);
    call
}

/// After some two seconds one side's pictures and sound come no more; everything else goes on.
pub(super) fn stopped(_: &Scratch) -> Call {
    // 50 packets of sound a second.
    const HEARD: u32 = 100;
    let mut heard = 0;
    let wired = Wired::new(move |packet| {
        let one_way = packet.client == ALICE && packet.way == Way::Up;
        if !one_way || packet.rtp.is_none() {
            return Fate::Pass;
        }
        heard += u32::from(packet.kind == Kind::Rtp(OPUS));
        if heard > HEARD { Fate::Drop } else { Fate::Pass }
    });
    wired.call(&["--duration", "6s"])
}

/// Key frames by their first bytes, and nothing that a decoder could use behind them.
pub(super) fn junk(scratch: &Scratch) -> Call {
    let file = scratch.write("junk.ivf", junk_ivf());
    peer_cli(["call", "--video", file.to_str().unwrap(), "--duration", "3s", "--json"])
}

pub(super) fn black(_: &Scratch) -> Call {
    peer_cli(["call", "--video", "black", "--duration", "3s", "--json"])
}

pub(super) fn frozen(_: &Scratch) -> Call {
    peer_cli(["call", "--video", "frozen", "--duration", "3s", "--json"])
}

pub(super) fn silence(_: &Scratch) -> Call {
    peer_cli(["call", "--audio", "silence", "--duration", "3s", "--json"])
}

pub(super) fn crossed_pictures(_: &Scratch) -> Call {
    crossed(&[])
}

pub(super) fn crossed_tones(_: &Scratch) -> Call {
    crossed(&["--video", "none"])
}

/// The run has a relay of its own, and others are named beside it. One pair in sixteen goes through its own one at both
/// ends: then nothing is wrong, as the others show, which carried no media, and another call is placed.
pub(super) fn another_relay(_: &Scratch) -> Call {
    const CALLS: usize = 4;
    let relays = [(); 3].map(|()| Relay::start(&["--user", "alice:wonder", "--allow-peer", "127.0.0.0/8"]));
    let urls = relays.each_ref().map(|relay| format!("turn:{}", relay.udp()));
    let named = urls.iter().flat_map(|url| ["--ice", url.as_str()]);
    let login = ["--ice-user", "alice", "--ice-password", "wonder"];
    let fixed = ["call", "--relay-only", "--embedded-relay", "--duration", "2s", "--json"];
    let args: Vec<&str> = fixed.into_iter().chain(login).chain(named).collect();
    let carried = || -> u64 { relays.iter().map(|relay| relay.counter("dialtone_turn_payload_bytes_total")).sum() };
    for _ in 0..CALLS {
        let before = carried();
        let call = peer_cli(&args);
        if call.text("/verdict/code") != "OK" {
            return call;
        }
        // What they carry of a call whose media goes elsewhere is connectivity checks.
        let checks = (carried() - before) as f64;
        assert!(checks < received_bytes(&call) / 2.0, "others carried {checks} bytes: {}", call.report);
    }
    panic!("{CALLS} calls in a row went through the relay of the run alone");
}

/// A call on a wire that loses some of the RTP.
fn losing(is_lost: impl Fn(&Packet) -> bool + Send + 'static) -> Call {
    let lost = move |packet: &Packet| packet.rtp.is_some() && is_lost(packet);
    let wired = Wired::new(move |packet| if lost(packet) { Fate::Drop } else { Fate::Pass });
    let call = wired.call(&["--duration", "3s"]);
    assert!(wired.wire.count(|lane| matches!(lane.kind, Kind::Rtp(_))).dropped > 0, "nothing was there to be lost");
    call
}

/// Two calls in two rooms of one server, of which each has somebody of the other one: the second one to enter each room
/// is led into the other one. Gives the first call; the second one ends alike.
fn crossed(options: &[&str]) -> Call {
    const ROOMS: [&str; 2] = ["crossed-north", "crossed-south"];
    let (_server, url) = Program::server(PLAIN);
    let mut visitors = Visitors::default();
    let meddler = Meddler::before(&url, move |passing| visitors.lead(passing, ROOMS));
    let url = meddler.url();
    // Numbers far enough from each other that no tone is taken for another one.
    let args = |room, number| {
        let fixed = ["call", "--server", &url, "--room", room, "--call-number", number, "--duration", "3s", "--json"];
        fixed.into_iter().chain(options.iter().copied()).map(str::to_owned).collect::<Vec<_>>()
    };
    let north = Running::start(args(ROOMS[0], "1"));
    let south = Running::partner(args(ROOMS[1], "60"));
    let (north, south) = (north.wait(), south.wait());
    assert_eq!(north.text("/verdict/code"), south.text("/verdict/code"), "{}\n{}", north.report, south.report);
    north
}

/// Which connection is led where.
#[derive(Default)]
struct Visitors {
    /// How many came for each room, and where each connection has to believe to be and is.
    rooms: BTreeMap<&'static str, usize>,
    led: BTreeMap<usize, (&'static str, &'static str)>,
}

impl Visitors {
    fn lead(&mut self, passing: &Passing<'_>, rooms: [&'static str; 2]) -> Deed {
        let destination = passing.frame.headers.get("destination").unwrap_or_default();
        if !self.led.contains_key(&passing.connection) {
            let Some(room) = rooms.into_iter().find(|room| destination.contains(room)) else { return Deed::Pass };
            let came = self.rooms.entry(room).or_default();
            *came += 1;
            let other = if room == rooms[0] { rooms[1] } else { rooms[0] };
            self.led.insert(passing.connection, (room, if *came == 2 { other } else { room }));
        }
        let Some(&(believed, real)) = self.led.get(&passing.connection) else { return Deed::Pass };
        let (from, to) = match passing.bound {
            Bound::ToServer => (believed, real),
            Bound::ToClient => (real, believed),
        };
        Deed::Replace(vec![renamed(passing.frame, from, to)])
    }
}

/// The frame with the name of a room replaced, in its destination and in its body.
fn renamed(frame: &Frame, from: &str, to: &str) -> Frame {
    let headers: Vec<(&str, String)> =
        frame.headers.iter().map(|(name, value)| (name, value.replace(from, to))).collect();
    let body = String::from_utf8(frame.body.to_vec()).unwrap().replace(from, to);
    Frame {
        command: frame.command,
        headers: headers.iter().map(|(name, value)| (*name, value.as_str())).collect::<Headers>(),
        body: body.into(),
    }
}

/// Thirty frames at thirty a second: a VP8 key frame of 320x240 (RFC 6386 section 9.1) whose first partition is said to
/// be longer than everything that follows, and 200 bytes of no meaning.
fn junk_ivf() -> Vec<u8> {
    const FRAMES: u32 = 30;
    const SIZE: [u16; 2] = [320, 240];
    let mut frame = vec![0xf0, 0xff, 0xff, 0x9d, 0x01, 0x2a];
    frame.extend(SIZE.iter().flat_map(|side| side.to_le_bytes()));
    frame.extend((0..200_u8).map(|n| n.wrapping_mul(73) ^ 0x5a));
    let mut ivf = b"DKIF\0\0\x20\0VP80".to_vec();
    ivf.extend(SIZE.iter().flat_map(|side| side.to_le_bytes()));
    for number in [30, 1, FRAMES, 0] {
        ivf.extend_from_slice(&number.to_le_bytes());
    }
    for time in 0..u64::from(FRAMES) {
        ivf.extend_from_slice(&u32::try_from(frame.len()).unwrap().to_le_bytes());
        ivf.extend_from_slice(&time.to_le_bytes());
        ivf.extend_from_slice(&frame);
    }
    ivf
}
