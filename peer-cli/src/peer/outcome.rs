//! What came of one peer's part in a call.

use std::time::{Duration, Instant};

use dialtone_wire::SessionId;

use super::diary::Diary;
use super::sending::Sending;
use crate::call::EndReason;
use crate::report::{
    CandidateReport, Direction, MessageStamp, PairReport, PairTried, PhaseStamp, ProbeReport, RecordingReport, Sent,
};
use crate::rtc::LinkStats;
use crate::verdict::End;

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The peer's name in this run.
    pub name: String,
    /// Its session id.
    pub sid: Option<SessionId>,
    /// The signaling server's name for itself.
    pub server: Option<String>,
    /// Milestones in order.
    pub phases: Vec<PhaseStamp>,
    /// Signaling messages in order.
    pub messages: Vec<MessageStamp>,
    /// Candidates of both sides in order.
    pub candidates: Vec<CandidateReport>,
    /// How it ended.
    pub end: End,
    /// How long media could flow; `None` when it never could.
    pub connected_for: Option<Duration>,
    /// Whether it wanted to show something and the other side takes none of its codecs.
    pub no_common_codec: bool,
    /// The same for sound.
    pub no_common_audio_codec: bool,
    /// When its part was over; `None` where it never began.
    pub ended_at: Option<Instant>,
    /// Whether the signaling server was lost after media could flow and was not back at the end.
    pub signaling_lost: bool,
    /// Whether any STUN server was known.
    pub stun_configured: bool,
    /// Whether any TURN server was known.
    pub turn_configured: bool,
    /// Whether only relayed candidates were allowed.
    pub relay_only: bool,
    /// The candidate pair at the end.
    pub pair: Option<PairReport>,
    /// All pairs tried.
    pub pairs: Vec<PairTried>,
    /// What the STUN and TURN servers said after ICE had failed, or had lost its path for good.
    pub probes: Vec<ProbeReport>,
    /// What it sent.
    pub sent: Sent,
    /// What it saw and heard; the names are not filled in.
    pub received: Direction,
    /// Packets that this process was too slow to take.
    pub overrun: u64,
    /// What its recording came to, where one was asked for.
    pub recording: Option<RecordingReport>,
}

impl Outcome {
    /// A peer that never got as far as a call.
    pub(super) fn ended(diary: Diary, sending: &Sending, end: End) -> Self {
        let sent = sending.report(&LinkStats::default());
        Self { phases: diary.phases, sent, ..Self::nothing(diary.name, end) }
    }

    /// A peer whose task did not live to tell.
    pub(crate) fn broken(name: String, reason: &str) -> Self {
        Self::nothing(name, End::Call(EndReason::EngineFailed { reason: reason.to_owned() }))
    }

    fn nothing(name: String, end: End) -> Self {
        Self {
            name,
            sid: None,
            server: None,
            phases: Vec::new(),
            messages: Vec::new(),
            candidates: Vec::new(),
            end,
            connected_for: None,
            no_common_codec: false,
            no_common_audio_codec: false,
            ended_at: None,
            signaling_lost: false,
            stun_configured: false,
            turn_configured: false,
            relay_only: false,
            pair: None,
            pairs: Vec::new(),
            probes: Vec::new(),
            sent: Sent::default(),
            received: Direction::default(),
            overrun: 0,
            recording: None,
        }
    }
}
