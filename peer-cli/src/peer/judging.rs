//! The thread that decodes and judges: decoding takes milliseconds, which the tasks that move packets do not have.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use nix::time::{ClockId, clock_gettime};
use tokio::sync::{mpsc, oneshot};

use super::Milestone;
use crate::clock::{Started, now};
use crate::measure::{Basis, Column, Distribution, SenderClock, SeriesBuilder};
use crate::media::{
    AudioDecoder, AudioHeard, AudioJudge, SyncJudge, VideoCodec, VideoDecoder, VideoHeard, VideoJudge,
    VideoJudgeConfig, audio_decoder, video_decoder,
};
use crate::report::Snapshot;

/// Frames that may wait: four seconds of pictures and sound. What comes beyond that is left out and counted.
const QUEUE: usize = 320;
/// How many frames between two snapshots: a report costs more than a frame, and a live line wants one a second.
const SNAPSHOT_EVERY: u32 = 40;

/// A frame to judge.
pub(super) enum Work {
    /// A picture to decode.
    Picture { codec: VideoCodec, data: Bytes, timestamp: u32 },
    /// A picture of which only the time counts.
    Frame { timestamp: u32, at: Instant },
    /// A packet of sound to decode.
    Sound { data: Bytes, timestamp: u32, at: Instant },
}

/// What the thread tells while it works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// Something was reached.
    Milestone(Milestone, Instant),
    /// A picture could not be decoded.
    Undecodable,
}

/// What both sides of the thread look at; held for a few lines.
pub(super) struct Shared {
    pub(super) video_clock: Mutex<SenderClock>,
    pub(super) audio_clock: Mutex<SenderClock>,
    pub(super) series: Mutex<SeriesBuilder>,
}

/// Nothing is left half done under these locks, so a poisoned one is still good.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The judging thread's handle.
pub(super) struct Judging {
    work: Option<SyncSender<Work>>,
    snapshot: Arc<Mutex<Judged>>,
    done: Option<oneshot::Receiver<(Judged, Vec<Snapshot>)>>,
}

/// What was seen and heard.
#[derive(Clone)]
pub(super) struct Judged {
    pub(super) video: VideoHeard,
    pub(super) audio: AudioHeard,
    pub(super) audio_errors: u64,
    pub(super) av_offset: Option<Distribution>,
    pub(super) basis: Option<Basis>,
    pub(super) decode_cpu: Duration,
    pub(super) judge_cpu: Duration,
}

impl Judging {
    pub(super) fn start(
        expected_peer: Option<u8>,
        started: Started,
        shared: Arc<Shared>,
        told: mpsc::Sender<Told>,
    ) -> Self {
        let (work, queue) = sync_channel(QUEUE);
        let (finished, done) = oneshot::channel();
        let config =
            VideoJudgeConfig { expected: expected_peer, run_start: started.mono, run_start_unix: started.unix };
        let judges = Judges {
            video_decoder: None,
            video: VideoJudge::new(config),
            audio_decoder: None,
            audio: AudioJudge::new(),
            sync: SyncJudge::new(),
            audio_errors: 0,
            basis: None,
            cpu: Cpu::default(),
            shared,
            told,
        };
        let snapshot = Arc::new(Mutex::new(judges.judged()));
        let latest = Arc::clone(&snapshot);
        let thread = thread::Builder::new().name("judging".to_owned()).spawn(move || {
            // Nobody waits for the result of a run that was given up.
            let _ = finished.send(judges.run(&queue, &latest));
        });
        if let Err(error) = thread {
            tracing::error!(%error, "no thread for judging: nothing will be decoded");
        }
        Self { work: Some(work), snapshot, done: Some(done) }
    }

    /// Hands a frame over; false when the thread is too far behind.
    pub(super) fn give(&self, work: Work) -> bool {
        self.work.as_ref().is_some_and(|queue| queue.try_send(work).is_ok())
    }

    /// What was seen and heard so far.
    pub(super) fn snapshot(&self) -> Judged {
        lock(&self.snapshot).clone()
    }

    /// Lets the thread finish what it has, and takes the result.
    pub(super) async fn finish(&mut self) -> (Judged, Vec<Snapshot>) {
        self.work = None;
        let done = match self.done.take() {
            Some(done) => done.await.ok(),
            None => None,
        };
        done.unwrap_or_else(|| (self.snapshot(), Vec::new()))
    }
}

struct Judges {
    video_decoder: Option<(VideoCodec, Box<dyn VideoDecoder>)>,
    video: VideoJudge,
    audio_decoder: Option<AudioDecoder>,
    audio: AudioJudge,
    sync: SyncJudge,
    audio_errors: u64,
    basis: Option<Basis>,
    cpu: Cpu,
    shared: Arc<Shared>,
    told: mpsc::Sender<Told>,
}

/// CPU time of this thread, by what it was spent on.
#[derive(Default)]
struct Cpu {
    decode: Duration,
    judge: Duration,
}

impl Judges {
    fn run(mut self, queue: &Receiver<Work>, latest: &Mutex<Judged>) -> (Judged, Vec<Snapshot>) {
        let (mut seen, mut heard) = (false, false);
        let mut count = 0_u32;
        while let Ok(work) = queue.recv() {
            match work {
                Work::Picture { codec, data, timestamp } => {
                    if self.picture(codec, &data, timestamp) && !std::mem::replace(&mut seen, true) {
                        self.tell(Told::Milestone(Milestone::FirstPicture, now()));
                    }
                }
                Work::Frame { timestamp, at } => {
                    let sent_at = self.video_sent_at(timestamp);
                    self.video.whole_frame(at, timestamp, sent_at);
                    self.seen(at, sent_at);
                }
                Work::Sound { data, timestamp, at } => {
                    if self.sound(&data, timestamp, at) && !std::mem::replace(&mut heard, true) {
                        self.tell(Told::Milestone(Milestone::FirstSound, now()));
                    }
                }
            }
            count += 1;
            if count.is_multiple_of(SNAPSHOT_EVERY) {
                *lock(latest) = self.judged();
            }
        }
        let judged = self.judged();
        let (video, snapshots) = self.video.finish();
        (Judged { video, ..judged }, snapshots)
    }

    fn tell(&self, told: Told) {
        // Only a reader that has gone away misses these few.
        let _ = self.told.try_send(told);
    }

    fn picture(&mut self, codec: VideoCodec, data: &[u8], timestamp: u32) -> bool {
        if self.video_decoder.as_ref().is_none_or(|(made_for, _)| *made_for != codec) {
            match video_decoder(codec) {
                Ok(decoder) => self.video_decoder = Some((codec, decoder)),
                Err(error) => tracing::error!(%error, "no decoder"),
            }
        }
        let Some((_, decoder)) = &mut self.video_decoder else { return false };
        let before = thread_cpu();
        let decoded = decoder.decode(data);
        let between = thread_cpu();
        self.cpu.decode += between.saturating_sub(before);
        match decoded {
            Ok(Some(picture)) => {
                let at = now();
                let sent_at = self.video_sent_at(timestamp);
                self.video.picture(at, timestamp, sent_at, &picture);
                if let Some(flash) = self.video.take_event() {
                    self.sync.flash(flash);
                }
                self.seen(at, sent_at);
                self.cpu.judge += thread_cpu().saturating_sub(between);
                true
            }
            Ok(None) => false,
            Err(error) => {
                tracing::debug!(%error, "a frame could not be decoded");
                self.video.decode_error();
                self.tell(Told::Undecodable);
                false
            }
        }
    }

    /// A picture's part in the series.
    fn seen(&mut self, at: Instant, sent_at: Option<Instant>) {
        let mut series = lock(&self.shared.series);
        series.add(at, Column::Fps, 1.0);
        if let Some(sent_at) = sent_at {
            series.add(at, Column::VideoLatency, at.saturating_duration_since(sent_at).as_secs_f64() * 1000.0);
        }
        if let Some(psnr) = self.video.take_psnr() {
            series.add(at, Column::Psnr, psnr);
        }
    }

    fn video_sent_at(&mut self, timestamp: u32) -> Option<Instant> {
        let (sent_at, basis) = lock(&self.shared.video_clock).sent_at(timestamp)?;
        self.basis = Some(basis);
        Some(sent_at)
    }

    fn sound(&mut self, data: &[u8], timestamp: u32, at: Instant) -> bool {
        if self.audio_decoder.is_none() {
            match audio_decoder() {
                Ok(decoder) => self.audio_decoder = Some(decoder),
                Err(error) => tracing::error!(%error, "no decoder"),
            }
        }
        let Some(decoder) = &mut self.audio_decoder else { return false };
        match decoder.decode(data) {
            Ok(samples) => {
                let sent = lock(&self.shared.audio_clock).sent_at(timestamp);
                let sent_at = sent.map(|(sent_at, _)| sent_at);
                self.basis = self.basis.or_else(|| sent.map(|(_, basis)| basis));
                self.audio.samples(at, timestamp, sent_at, samples);
                if let Some(click) = self.audio.take_event() {
                    self.sync.click(click);
                }
                let mut series = lock(&self.shared.series);
                if let Some(sent_at) = sent_at {
                    series.add(at, Column::AudioLatency, at.saturating_duration_since(sent_at).as_secs_f64() * 1000.0);
                }
                series.add(at, Column::Level, self.audio.level_now());
                true
            }
            Err(error) => {
                tracing::debug!(%error, "a packet of sound could not be decoded");
                self.audio_errors += 1;
                false
            }
        }
    }

    fn judged(&self) -> Judged {
        let video = self.video.report();
        let basis = self.basis.or_else(|| video.picture_basis.then_some(Basis::Picture));
        Judged {
            video,
            audio: self.audio.report(),
            audio_errors: self.audio_errors,
            av_offset: self.sync.distribution(),
            basis,
            decode_cpu: self.cpu.decode,
            judge_cpu: self.cpu.judge,
        }
    }
}

/// CPU time that this thread has used; zero where the system does not tell.
fn thread_cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from).unwrap_or_default()
}
