//! One peer of a call, whole: signaling, the call brain, the WebRTC engine, what it sends and what it makes of what comes.
//!
//! [`run`] is the hand that moves things between these parts and decides nothing: [`Call`](crate::call::Call) says what
//! to do, the receive brains say what is lost, the judges say what was seen.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::call::{EndReason, Patience};
use crate::clock::{Started, now};
use crate::measure::SendLedger;
use crate::record::RecordError;
use crate::report::{AudioReport, JudgeLevel, VideoReport};
use crate::rtc::RtcConfig;
use crate::signaling::{self, Signaling};
use crate::verdict::End;

mod chronicle;
mod diary;
mod intake;
mod judging;
mod milestone;
mod outcome;
mod path;
mod recording;
mod running;
mod sending;
mod stream;

use diary::Diary;
pub use milestone::Milestone;
pub use outcome::Outcome;
use recording::Recording;
use running::Running;
pub use sending::Playable;
use sending::Sending;

/// Signaling frames that may wait to be written down.
const TRAFFIC_QUEUE: usize = 1024;

/// What one peer is to do.
pub struct Setup {
    /// What to call it in this run.
    pub name: String,
    /// How to reach the server and the room.
    pub signaling: signaling::Options,
    /// How to set the engine up; servers named by the signaling server are added.
    pub rtc: RtcConfig,
    /// What to show.
    pub video: Option<Playable>,
    /// What to say.
    pub audio: Option<Playable>,
    /// How long to wait for what.
    pub patience: Patience,
    /// Whose pattern to expect; `None` takes any.
    pub expected_peer: Option<u8>,
    /// How closely to look at what comes.
    pub judge: JudgeLevel,
    /// Where to note when something was sent, for a peer in the same process.
    pub sent: SendLedger,
    /// Where that peer notes the same; `None` when it is somewhere else.
    pub heard: Option<SendLedger>,
    /// The folder to record into.
    pub record: Option<PathBuf>,
    /// When the peers were started; milestones are told relative to it.
    pub started: Started,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup").field("name", &self.name).field("rtc", &self.rtc).finish_non_exhaustive()
    }
}

/// What a running peer tells as it happens.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// A milestone.
    Reached {
        /// Which peer.
        peer: String,
        /// What it has reached.
        milestone: Milestone,
        /// Since the peers were started.
        at: Duration,
    },
    /// How media flows, about once a second.
    Status {
        /// Which peer.
        peer: String,
        /// The figures.
        status: Box<Status>,
    },
}

/// How media flows at a moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Status {
    /// Since media could flow.
    pub elapsed: Duration,
    /// The pictures so far.
    pub video: Option<VideoReport>,
    /// The sound so far.
    pub audio: Option<AudioReport>,
}

/// Runs one peer until its call ends, or until `hang_up` turns true.
///
/// # Errors
/// [`RecordError`] when the recording cannot be begun; nothing has happened then.
pub async fn run(
    mut setup: Setup,
    news: mpsc::Sender<News>,
    mut hang_up: watch::Receiver<bool>,
) -> Result<Outcome, RecordError> {
    let recorded = setup.record.as_ref().map(|folder| Recording::start(folder, &setup.name, setup.started));
    let (recording, finish) = recorded.transpose()?.unzip();
    let start = setup.started.mono;
    let mut diary = Diary { name: setup.name.clone(), start, news, phases: Vec::new() };
    let sending = Sending::prepare(setup.video.take(), setup.audio.take(), setup.sent.clone(), setup.started);
    let (tap, mut traffic) = mpsc::channel(TRAFFIC_QUEUE);
    setup.signaling.tap = recording.is_some().then_some(tap);
    let opened = tokio::select! {
        opened = Signaling::open(setup.signaling.clone()) => opened.map_err(|error| {
            End::Unreachable { step: error.step(), reason: error.to_string() }
        }),
        () = told(&mut hang_up) => Err(End::Call(EndReason::HungUp)),
    };
    let mut outcome = match opened {
        Ok((signaling, server_events)) => {
            diary.reached(Milestone::SocketOpen, now());
            let running = Running::new(setup, diary, signaling, sending, recording);
            running.run(server_events, &mut traffic, hang_up).await
        }
        Err(end) => {
            drop(recording);
            Outcome::ended(diary, &sending, end)
        }
    };
    if let Some(finish) = finish {
        outcome.recording = Some(finish.wait().await);
    }
    Ok(outcome)
}

/// Waits until `flag` turns true; forever, where nobody is left to say so.
pub(crate) async fn told(flag: &mut watch::Receiver<bool>) {
    if flag.wait_for(|wanted| *wanted).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// A flag that another task sets and one takes.
type Flag = Arc<std::sync::atomic::AtomicBool>;
