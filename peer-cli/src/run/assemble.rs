//! From what the peers did and saw to the report.

use std::time::SystemTime;

use super::{Common, Voice};
use crate::args::{AudioChoice, CommonArgs, VideoChoice};
use crate::clock::now;
use crate::peer::{Outcome, round};
use crate::report::{Direction, PeerReport, RelayReport, Report, SCHEMA};
use crate::verdict::{self, Evidence, Expected, PeerEvidence, Wanted};

pub(super) fn expected(args: &CommonArgs) -> Expected {
    Expected {
        video: match args.video_choice() {
            VideoChoice::Pattern => Wanted::Ours,
            VideoChoice::File(_) => Wanted::Present,
            VideoChoice::None => Wanted::Nothing,
        },
        audio: match args.audio_choice() {
            AudioChoice::Tone => Wanted::Ours,
            AudioChoice::File(_) => Wanted::Present,
            AudioChoice::None => Wanted::Nothing,
        },
        relay: args.relay_only,
    }
}

pub(super) fn direction(from: &Outcome, to: &Outcome, expected: Expected, voice: Voice) -> Direction {
    let mut audio = to.audio.clone();
    if let Some(audio) = audio.as_mut().filter(|_| expected.audio == Wanted::Ours) {
        audio.expected_tone_hz = Some(voice.tone_hz);
    }
    Direction { from: from.name.clone(), to: to.name.clone(), video: to.video.clone(), audio }
}

pub(super) fn report(
    common: &Common,
    embedded: bool,
    outcomes: Vec<Outcome>,
    directions: Vec<Direction>,
    expected: Expected,
    relay: Option<RelayReport>,
) -> Report {
    let evidence = Evidence {
        peers: outcomes.iter().map(peer_evidence).collect(),
        directions: directions.clone(),
        expected,
        relay: relay.clone(),
    };
    let since_1970 = common.started.unix.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Report {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION"),
        started_unix_ms: u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX),
        duration_ms: round(now().saturating_duration_since(common.started.mono).as_secs_f64() * 1000.0),
        server: common.url.to_string(),
        embedded,
        room: common.room.to_string(),
        verdict: verdict::judge(&evidence),
        peers: outcomes.into_iter().map(peer_report).collect(),
        directions,
        relay,
    }
}

fn peer_evidence(outcome: &Outcome) -> PeerEvidence {
    PeerEvidence {
        name: outcome.name.clone(),
        end: outcome.end.clone(),
        connected: outcome.connected,
        pair: outcome.pair.clone(),
        no_common_codec: outcome.no_common_codec,
    }
}

fn peer_report(outcome: Outcome) -> PeerReport {
    PeerReport {
        name: outcome.name,
        sid: outcome.sid.map(|sid| sid.to_string()),
        server: outcome.server,
        phases: outcome.phases,
        end: outcome.end.code(),
        end_message: outcome.end.words(),
        pair: outcome.pair,
        sent: outcome.sent,
        overrun: outcome.overrun,
    }
}
