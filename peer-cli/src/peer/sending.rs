//! The sending half: a pacing task for each track.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::Flag;
use crate::clock::{Started, millis, round};
use crate::measure::SendLedger;
use crate::media::{EncodedFrame, Hint, MediaError, Source, VideoCodec};
use crate::report::Sent;
use crate::rtc::{LinkStats, MediaSender, SendError};

/// How far behind its pace a stream may fall before it starts counting anew instead of catching up.
const MOST_BEHIND: Duration = Duration::from_secs(1);

/// A source and its first frame, made early so that nothing is encoded between READY and the first packet.
pub struct Playable {
    source: Box<dyn Source>,
    first: EncodedFrame,
    live: bool,
}

impl Playable {
    /// Makes the first frame.
    pub fn prepare(mut source: Box<dyn Source>) -> Result<Self, MediaError> {
        let first = source.next()?;
        Ok(Self { source, first, live: false })
    }

    /// The same for a source whose pictures show when they were made: the frame made early is thrown away, it has only
    /// proved that the encoder works.
    pub fn prepare_live(source: Box<dyn Source>) -> Result<Self, MediaError> {
        Ok(Self { live: true, ..Self::prepare(source)? })
    }
}

impl std::fmt::Debug for Playable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Playable({})", self.source.describe())
    }
}

/// What a peer sends, before, while and after it does.
pub(super) struct Sending {
    video: Track,
    audio: Track,
    codec: Option<VideoCodec>,
    key_frames_asked: u64,
    ledger: SendLedger,
    started: Started,
    /// What the congestion controller allows, in bit/s; 0 when there is none.
    target: Arc<AtomicU64>,
}

/// One track: its source until it is started, its task from then on.
#[derive(Default)]
struct Track {
    /// Until the track is started.
    source: Option<Playable>,
    description: Option<String>,
    frames: Arc<AtomicU64>,
    key_frame: Flag,
    rejected: Flag,
    task: Option<JoinHandle<()>>,
}

impl Sending {
    pub(super) fn prepare(
        video: Option<Playable>,
        audio: Option<Playable>,
        ledger: SendLedger,
        started: Started,
    ) -> Self {
        Self {
            video: Track::prepare(video),
            audio: Track::prepare(audio),
            codec: None,
            key_frames_asked: 0,
            ledger,
            started,
            target: Arc::default(),
        }
    }

    /// Starts both tracks at the same moment, so that what belongs together in them is sent together.
    pub(super) fn start(&mut self, video: Option<MediaSender>, audio: Option<MediaSender>) {
        let start = Instant::now();
        for (track, sender) in [(&mut self.video, video), (&mut self.audio, audio)] {
            track.start(sender, start, &self.ledger, self.started, &self.target);
        }
    }

    /// What the congestion controller allows from now on.
    pub(super) fn set_target(&self, bits_per_second: Option<u64>) {
        self.target.store(bits_per_second.unwrap_or_default(), Ordering::Relaxed);
    }

    pub(super) fn stop(&mut self) {
        for track in [&mut self.video, &mut self.audio] {
            if let Some(task) = track.task.take() {
                task.abort();
            }
        }
    }

    pub(super) fn key_frame_requested(&mut self) {
        self.key_frames_asked += 1;
        self.video.key_frame.store(true, Ordering::Relaxed);
    }

    pub(super) fn negotiated(&mut self, codec: Option<VideoCodec>) {
        self.codec = codec;
    }

    pub(super) fn no_common_codec(&self) -> bool {
        self.video.rejected.load(Ordering::Relaxed)
    }

    pub(super) fn no_common_audio_codec(&self) -> bool {
        self.audio.rejected.load(Ordering::Relaxed)
    }

    pub(super) fn report(&self, link: &LinkStats) -> Sent {
        Sent {
            video: self.video.description.clone(),
            video_codec: self.codec.map(|codec| codec.to_string()),
            video_frames: self.video.frames.load(Ordering::Relaxed),
            audio: self.audio.description.clone(),
            audio_frames: self.audio.frames.load(Ordering::Relaxed),
            key_frames_asked: self.key_frames_asked,
            nacks_received: link.nacks_received,
            rtcp_rtt_ms: link.rtcp_rtt.map(millis),
            target_kbps: link.target_bps.map(|bps| round(bps as f64 / 1000.0)),
        }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Track {
    fn prepare(source: Option<Playable>) -> Self {
        let description = source.as_ref().map(|playable| playable.source.describe());
        Self { description, source, ..Self::default() }
    }

    fn start(
        &mut self,
        sender: Option<MediaSender>,
        start: Instant,
        ledger: &SendLedger,
        started: Started,
        target: &Arc<AtomicU64>,
    ) {
        let (Some(sender), Some(Playable { source, first, live })) = (sender, self.source.take()) else { return };
        let pace = Pace {
            ledger: ledger.clone(),
            started,
            target: Arc::clone(target),
            sender,
            source: Some(source),
            frames: Arc::clone(&self.frames),
            key_frame: Arc::clone(&self.key_frame),
            rejected: Arc::clone(&self.rejected),
        };
        let first = (!live).then_some(first);
        self.task = Some(tokio::spawn(pace.run(start, first)));
    }
}

struct Pace {
    ledger: SendLedger,
    started: Started,
    target: Arc<AtomicU64>,
    sender: MediaSender,
    /// Away while it makes a frame.
    source: Option<Box<dyn Source>>,
    frames: Arc<AtomicU64>,
    key_frame: Flag,
    rejected: Flag,
}

impl Pace {
    async fn run(mut self, start: Instant, first: Option<EncodedFrame>) {
        let mut due = start;
        let mut next = match first {
            Some(first) => Ok(first),
            None => match self.next_frame().await {
                Some(next) => next,
                None => return,
            },
        };
        loop {
            let frame = match next {
                Ok(frame) => frame,
                Err(error) => return tracing::error!(%error, "the source gives no more frames"),
            };
            let duration = frame.duration;
            let sent_at = Instant::now();
            match self.sender.send(frame.data, duration).await {
                Ok(timestamp) => {
                    self.ledger.record(self.sender.kind(), timestamp, sent_at.into_std());
                    self.frames.fetch_add(1, Ordering::Relaxed);
                }
                Err(SendError::NotConnected(_)) => {}
                Err(SendError::NoCommonCodec(_)) => self.rejected.store(true, Ordering::Relaxed),
                Err(SendError::Closed(_)) => return,
                Err(error @ SendError::Frame { .. }) => tracing::warn!(%error, "a frame was not sent"),
            }
            due += duration;
            let now = Instant::now();
            if now.saturating_duration_since(due) > MOST_BEHIND {
                due = now;
            }
            sleep_until(due).await;
            next = match self.next_frame().await {
                Some(next) => next,
                None => return,
            };
        }
    }

    /// The next frame. Drawing and encoding one takes milliseconds that the tasks which move packets do not have, so it
    /// happens on a thread of its own.
    async fn next_frame(&mut self) -> Option<Result<EncodedFrame, MediaError>> {
        let mut source = self.source.take()?;
        let key_frame = self.key_frame.swap(false, Ordering::Relaxed);
        let target = self.target.load(Ordering::Relaxed);
        let unix = self.started.unix_at(Instant::now().into_std());
        let hint = Hint {
            unix_ms: u64::try_from(unix.as_millis()).unwrap_or_default(),
            target_bps: (target > 0).then_some(target),
        };
        let made = tokio::task::spawn_blocking(move || {
            source.hint(hint);
            if key_frame {
                source.request_key_frame();
            }
            let frame = source.next();
            (source, frame)
        });
        match made.await {
            Ok((source, frame)) => {
                self.source = Some(source);
                Some(frame)
            }
            Err(error) => {
                tracing::error!(%error, "the source broke");
                None
            }
        }
    }
}
