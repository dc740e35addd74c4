//! A picture that is lost for good, and the key frame that mends it.
//!
//! The wire drops one picture of alice's and whatever is sent in its place; only a key frame can mend that, and by
//! itself the next one comes after seconds. Two calls are compared: in one, bob's request for a key frame gets to alice,
//! in the other it does not. What is a key frame is told by the capture of what bob received; when each picture passed,
//! by the wire.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dialtone_tests::{Call, Fate, Packet, Rtcp, Rtp, Scratch, Way, alone, fixture};

use super::capture::{self, Captured};
use super::{H264, TO_ALICE, TO_BOB, assert_directions};
use crate::wired::{ALICE, BOB, Wired};

/// So many pictures after the first one, or after the last request for a key frame, comes the one that is lost.
const QUIET: usize = 20;
/// A picture that is not whole is given up so long after the next one has come: until then it could be sent again.
const GIVEN_UP_AFTER: Duration = Duration::from_millis(250);
/// What threads and timers of a machine at rest may take beside.
const SLACK: Duration = Duration::from_millis(100);
/// Pictures at the end of a call that were sent and not judged any more.
const TAIL: usize = 3;
/// What pictures and sound of the same moment may be apart, in milliseconds.
const MOST_APART_MS: f64 = 100.0;

/// What is sent.
struct Material {
    options: Vec<String>,
    /// From one picture to the next.
    pace: Duration,
    /// Without a key frame that was asked for the picture is broken for longer than this.
    broken_for: Duration,
}

#[test]
fn a_lost_picture_of_the_pattern_is_mended_by_a_key_frame_that_was_asked_for() {
    // Only the first picture of the pattern's loop of five seconds is a key frame by itself.
    let options = ["--codec", "h264", "--key-frame-interval", "150", "--duration", "7s"].map(str::to_owned);
    let broken_for = Duration::from_secs(3);
    let pattern = Material { options: options.into(), pace: Duration::from_millis(34), broken_for };
    let _alone = alone();
    let mended = call(&pattern, true);
    // Stamps tell which pictures were never seen: those from the lost one to the key frame, and no other.
    assert_eq!(mended.number("frames_lost"), mended.missed() as f64, "{}", mended.call.report);
    // The pictures went on where they were, and did not jump to another place of their loop.
    for direction in [TO_BOB, TO_ALICE] {
        for end in ["min", "max"] {
            let apart = mended.call.number(&format!("/directions/{direction}/av_offset_ms/{end}"));
            assert!(apart.abs() <= MOST_APART_MS, "pictures and sound are {apart} ms apart: {}", mended.call.report);
        }
    }
    assert_mended_at_once(&mended, &pattern);
    assert_stays_broken(&call(&pattern, false), &pattern);
}

/// A file cannot be encoded anew: it goes on with its next key frame, which is up to 60 pictures away.
#[test]
fn a_lost_picture_of_a_clip_is_mended_by_a_jump_to_its_next_key_frame() {
    let file = fixture("bunny-h264-opus.mkv").to_str().unwrap().to_owned();
    let options = ["--video", &file, "--audio", &file, "--duration", "5s"].map(str::to_owned);
    let broken_for = Duration::from_millis(1200);
    let clip = Material { options: options.into(), pace: Duration::from_millis(40), broken_for };
    let _alone = alone();
    assert_mended_at_once(&call(&clip, true), &clip);
    assert_stays_broken(&call(&clip, false), &clip);
}

/// One key frame, which follows the request at once and long before its turn; from then on every picture is decoded.
fn assert_mended_at_once(mended: &Mended, material: &Material) {
    let call = &mended.call;
    let requests = mended.requests();
    let [request] = requests[..] else { panic!("bob asks once, and is answered: {requests:?}\n{}", call.report) };
    let waited = request.at - mended.lost_at();
    assert!(waited <= material.pace * 2 + GIVEN_UP_AFTER + SLACK, "bob asks only after {waited:?}: {}", call.report);

    // The way of the request to alice and that of her answer to the wire take next to nothing on one machine.
    let answered = mended.key_at().saturating_duration_since(request.at);
    assert!(request.at < mended.key_at(), "the key frame came before it was asked for: {}", call.report);
    assert!(answered <= material.pace + SLACK, "alice answers only after {answered:?}: {}", call.report);
    mended.assert_gap_is_what_the_wire_saw();
    mended.assert_all_else_is_decoded();
}

/// Bob asks and asks, alice never hears of it, and nothing is mended before the next key frame's turn.
fn assert_stays_broken(unanswered: &Mended, material: &Material) {
    let requests = unanswered.requests();
    assert!(requests.len() > 1 && requests.iter().all(|request| !request.passed), "{requests:?}");
    let broken = unanswered.key_at() - unanswered.lost_at();
    let report = &unanswered.call.report;
    assert!(broken >= material.broken_for, "a key frame came by itself after {broken:?}: {report}");
    unanswered.assert_gap_is_what_the_wire_saw();
    unanswered.assert_all_else_is_decoded();
}

/// A call of which one picture of alice's was lost.
struct Mended {
    call: Call,
    wire: Seen,
    captured: BTreeMap<u32, Captured>,
    /// Places among the pictures that the wire saw: the lost one, and the key frame after it.
    lost: usize,
    key: usize,
}

fn call(material: &Material, answered: bool) -> Mended {
    let seen = Arc::new(Mutex::new(Seen { answered, ..Seen::default() }));
    let watched = Arc::clone(&seen);
    let wired = Wired::new(move |packet| watched.lock().unwrap().judge(packet));
    let folder = Scratch::new("repair");
    let record = ["--record", folder.path().to_str().unwrap()];
    let options: Vec<&str> = material.options.iter().map(String::as_str).chain(record).collect();
    let call = wired.call(&options);
    call.assert_verdict("OK", 0);
    assert_directions(&call);
    let wire = seen.lock().unwrap().clone();

    // The other side's counts are the same: every request that passed has come to alice.
    let passed = wire.requests.iter().filter(|request| request.passed).count();
    assert_eq!(call.number("/peers/0/sent/key_frames_asked"), passed as f64, "{}", call.report);
    let asked = call.number(&format!("/directions/{TO_BOB}/video/key_frames_requested"));
    assert!(asked >= wire.requests.len() as f64, "{asked} requests: {}", call.report);

    let captured = capture::pictures(&call, BOB);
    let lost = wire.pictures.iter().position(|picture| Some(picture.timestamp) == wire.lost).expect("one was lost");
    let whole_key = |picture: &Picture| picture.is_whole_key(&captured);
    let key = wire.pictures.iter().skip(lost).position(whole_key).expect("a key frame follows");
    Mended { key: lost + key, lost, call, wire, captured }
}

impl Mended {
    fn number(&self, field: &str) -> f64 {
        self.call.number(&format!("/directions/{TO_BOB}/video/{field}"))
    }

    /// What bob asked for from the loss on.
    fn requests(&self) -> Vec<Request> {
        self.wire.requests.iter().copied().filter(|request| request.at > self.lost_at()).collect()
    }

    fn lost_at(&self) -> Instant {
        self.wire.pictures[self.lost].at
    }

    fn key_at(&self) -> Instant {
        self.wire.pictures[self.key].at
    }

    /// Pictures that nobody could see.
    fn missed(&self) -> usize {
        self.key - self.lost
    }

    /// Bob saw the last picture before the loss, then none, then the key frame.
    fn assert_gap_is_what_the_wire_saw(&self) {
        let known = self.key_at() - self.wire.pictures[self.lost - 1].at;
        let measured = Duration::from_secs_f64(self.number("longest_gap_ms") / 1000.0);
        assert!(
            known.abs_diff(measured) <= SLACK,
            "{known:?} on the wire, {measured:?} measured: {}",
            self.call.report
        );
    }

    /// Every picture from the first key frame on, but for those between the loss and the key frame after it.
    fn assert_all_else_is_decoded(&self) {
        let pictures = &self.wire.pictures;
        let first =
            pictures.iter().position(|picture| picture.is_whole_key(&self.captured)).expect("one is a key frame");
        let decodable = pictures.len() - first - self.missed();
        let decoded = self.number("decoded") as usize;
        let is_near = decoded <= decodable && decoded + TAIL >= decodable;
        assert!(is_near, "{decoded} of {decodable} pictures were decoded: {}", self.call.report);
        assert_eq!(self.number("decode_errors"), 0.0, "{}", self.call.report);
    }
}

/// What the wire saw of alice's pictures and of what bob said about them.
#[derive(Debug, Clone, Default)]
struct Seen {
    /// Whether bob's requests for key frames pass after the loss; before it they do.
    answered: bool,
    pictures: Vec<Picture>,
    /// The timestamp of the picture that was lost.
    lost: Option<u32>,
    requests: Vec<Request>,
    /// Pictures since the first one or the last request.
    since: usize,
}

#[derive(Debug, Clone, Copy)]
struct Picture {
    timestamp: u32,
    /// When its first packet came.
    at: Instant,
    packets: usize,
}

#[derive(Debug, Clone, Copy)]
struct Request {
    at: Instant,
    passed: bool,
}

impl Picture {
    /// Whether it is a key frame of which every packet has arrived.
    fn is_whole_key(&self, captured: &BTreeMap<u32, Captured>) -> bool {
        captured.get(&self.timestamp) == Some(&Captured { packets: self.packets, key: true })
    }
}

impl Seen {
    fn judge(&mut self, packet: &Packet) -> Fate {
        match (packet.client, packet.way) {
            (ALICE, Way::Up) => packet.rtp.map_or(Fate::Pass, |rtp| self.media(packet.at, rtp)),
            (BOB, Way::Up) if packet.rtcp.is_some_and(Rtcp::is_picture_loss) => self.request(packet.at),
            _ => Fate::Pass,
        }
    }

    fn request(&mut self, at: Instant) -> Fate {
        let passed = self.lost.is_none() || self.answered;
        self.requests.push(Request { at, passed });
        self.since = 0;
        if passed { Fate::Pass } else { Fate::Drop }
    }

    fn media(&mut self, at: Instant, rtp: Rtp) -> Fate {
        if rtp.payload_type != H264 {
            // What is sent again has the next number.
            return if rtp.payload_type == H264 + 1 { Fate::Drop } else { Fate::Pass };
        }
        let timestamp = rtp.timestamp;
        match self.pictures.last_mut() {
            Some(last) if last.timestamp == timestamp => last.packets += 1,
            Some(_) | None => {
                self.pictures.push(Picture { timestamp, at, packets: 1 });
                self.since += 1;
            }
        }
        if self.lost.is_none() && self.since > QUIET {
            self.lost = Some(timestamp);
        }
        if self.lost == Some(timestamp) { Fate::Drop } else { Fate::Pass }
    }
}
