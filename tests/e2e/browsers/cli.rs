//! A page and `peer-cli`, which judge each other: whoever comes first, whoever calls, in every codec that both have.

use dialtone_tests::{Call, Ground, Signal, wait_until};
use serde_json::Value;

use super::{House, Stage, cable, is_missing, receives};

/// Both ways long enough to judge pictures and sound by, and told in the statistics of each second too.
const FLOWS: &str =
    "a until d.far.stamped>60 && d.far.toneHz>0 && d.stats?.sent.frames>60 && d.stats.received.audioCodec";

/// Whose offer it is that makes the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caller {
    /// That of the smaller session id, as both were told.
    Smaller,
    /// The page's; where the ids say otherwise, `peer-cli` has to take its own back.
    Page,
    /// That of `peer-cli`, also where the ids say that it waits for the page's.
    Cli,
}

impl Caller {
    /// What the page's address says for it.
    fn query(self) -> &'static str {
        match self {
            Self::Smaller => "",
            Self::Page => "&offer=insist",
            Self::Cli => "&offer=never",
        }
    }

    /// Fails unless it was so.
    #[track_caller]
    fn was(self, page: &Value, call: &Call) {
        let phases = call.phases(0);
        let page_called = match self {
            // A machine so slow that the other side stepped in has said who calls by that.
            Self::Smaller if phases.contains(&"rolled-back") => return,
            Self::Smaller => page["sid"].as_str() < page["other"].as_str(),
            Self::Page => true,
            Self::Cli => false,
        };
        let (answered, was_answered) = (phases.contains(&"answer-sent"), phases.contains(&"answer-received"));
        assert_eq!((answered, was_answered), (page_called, !page_called), "{self:?}: {phases:?}");
    }
}

/// One page in a browser, and calls of `peer-cli` with it.
struct Pair<'a> {
    stage: Stage,
    house: House<'a>,
}

impl<'a> Pair<'a> {
    fn begin(ground: &'a Ground, browser: &str) -> Self {
        let house = House::open(ground, &[]);
        let mut stage = house.stage(&[]);
        stage.does(&format!("a browser {browser}"));
        Self { stage, house }
    }

    /// A call in a room of its own, judged at both ends. Who was there first hangs up.
    #[track_caller]
    fn call(&mut self, codec: &str, page_first: bool, caller: Caller) {
        let Self { stage, house } = self;
        let room = format!("{codec}-{}-{caller:?}", if page_first { "page" } else { "cli" });
        stage.does(&format!("a open /r/{room}?media=pattern&peer=7&codec={codec}{}", caller.query()));
        let join = || house.peer(&room, &["--codec", &codec.to_lowercase()]);
        let peer = if page_first {
            stage.all(&["a join", "a wait waiting"]);
            join()
        } else {
            let peer = join();
            assert!(wait_until(|| peer.program().stderr().contains("waiting")), "{room}: {}", peer.program().stderr());
            stage.does("a join");
            peer
        };
        stage.does("a wait connected");
        let page = stage.does(FLOWS)["snapshot"].take();
        if page_first {
            stage.does("a press leave");
        } else {
            peer.program().signal(Signal::SIGINT);
            stage.does("a wait waiting");
        }
        receives(&page, 6, 412.0);
        for way in ["received", "sent"] {
            let codecs = ["videoCodec", "audioCodec"].map(|kind| page["stats"][way][kind].as_str());
            assert_eq!(codecs, [Some(codec), Some("opus")], "{room}: {page:#}");
        }
        let call = peer.wait();
        call.assert_verdict("OK", 0);
        assert_eq!(call.text("/peers/0/end"), if page_first { "peer-left" } else { "hung-up" }, "{room}");
        caller.was(&page, &call);
        receives_at_cli(&call, codec);
    }
}

/// Fails unless `peer-cli` saw the page's stamped picture and heard its tone: those of peer 7.
#[track_caller]
fn receives_at_cli(call: &Call, codec: &str) {
    let codecs = (call.text("/directions/0/video/codec"), call.text("/directions/0/audio/codec"));
    assert_eq!(codecs, (codec, "opus"), "{}", call.report);
    assert!(call.number("/directions/0/video/stamped") > 30.0, "{}", call.report);
    // One peer drew them all; the tone says which.
    assert_eq!(call.at("/directions/0/video/wrong_peer"), 0, "{}", call.report);
    assert!((call.number("/directions/0/audio/tone_hz") - 1012.0).abs() < 1.9, "{}", call.report);
}

#[test]
fn chromium_and_peer_cli_call_each_other() {
    if is_missing(&["chromium"]) {
        return;
    }
    let ground = Ground::loopback();
    let mut pair = Pair::begin(&ground, "chromium");
    for page_first in [true, false] {
        for caller in [Caller::Smaller, Caller::Page, Caller::Cli] {
            pair.call("VP8", page_first, caller);
        }
    }
}

#[test]
fn chromium_and_peer_cli_call_each_other_in_h264() {
    if is_missing(&["chromium"]) {
        return;
    }
    let ground = Ground::loopback();
    let mut pair = Pair::begin(&ground, "chromium");
    for page_first in [true, false] {
        for caller in [Caller::Page, Caller::Cli] {
            pair.call("H264", page_first, caller);
        }
    }
}

/// In VP8 alone: Debian's Firefox has no H264, which it would fetch from elsewhere when it runs.
#[test]
fn firefox_and_peer_cli_call_each_other() {
    if is_missing(&["firefox-esr"]) {
        return;
    }
    let Some(ground) = cable() else { return };
    let mut pair = Pair::begin(&ground, "firefox");
    for page_first in [true, false] {
        for caller in [Caller::Page, Caller::Cli] {
            pair.call("VP8", page_first, caller);
        }
    }
}
