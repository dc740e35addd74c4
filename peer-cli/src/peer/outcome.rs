//! What came of one peer's part in a call.

use dialtone_wire::SessionId;

use super::diary::Diary;
use super::sending::Sending;
use crate::call::EndReason;
use crate::report::{AudioReport, PairReport, PhaseStamp, Sent, VideoReport};
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
    /// How it ended.
    pub end: End,
    /// Whether media could flow at some time.
    pub connected: bool,
    /// Whether it wanted to show something and the other side takes none of its codecs.
    pub no_common_codec: bool,
    /// The candidate pair at the end.
    pub pair: Option<PairReport>,
    /// What it sent.
    pub sent: Sent,
    /// What it saw.
    pub video: Option<VideoReport>,
    /// What it heard.
    pub audio: Option<AudioReport>,
    /// Packets and frames that this process was too slow to take.
    pub overrun: u64,
}

impl Outcome {
    /// A peer that never got as far as a call.
    pub(super) fn ended(diary: Diary, sending: &Sending, end: End) -> Self {
        Self { phases: diary.phases, sent: sending.report(), ..Self::nothing(diary.name, end) }
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
            end,
            connected: false,
            no_common_codec: false,
            pair: None,
            sent: Sent::default(),
            video: None,
            audio: None,
            overrun: 0,
        }
    }
}
