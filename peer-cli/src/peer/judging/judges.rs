//! What the judging thread does with its work.

use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use tokio::sync::mpsc;

use super::{Judged, Told, Work, lock};
use crate::clock::now;
use crate::measure::{Column, SeriesBuilder};
use crate::media::{
    AudioDecoder, AudioJudge, SyncJudge, VideoCodec, VideoDecoder, VideoJudge, VideoJudgeConfig, audio_decoder,
    video_decoder,
};
use crate::peer::Milestone;
use crate::report::Snapshot;

/// How many frames between two snapshots: a report costs more than a frame, and a live line wants one a second.
const SNAPSHOT_EVERY: u32 = 40;

/// Decoders, and the judges of what they make.
pub(super) struct Judges {
    video_decoder: Option<(VideoCodec, Box<dyn VideoDecoder>)>,
    video: VideoJudge,
    audio_decoder: Option<AudioDecoder>,
    audio: AudioJudge,
    sync: SyncJudge,
    audio_errors: u64,
    cpu: Cpu,
    series: Arc<Mutex<SeriesBuilder>>,
    told: mpsc::Sender<Told>,
}

/// CPU time of this thread, by what it was spent on.
#[derive(Default)]
struct Cpu {
    decode: Duration,
    judge: Duration,
}

impl Judges {
    pub(super) fn new(config: VideoJudgeConfig, series: Arc<Mutex<SeriesBuilder>>, told: mpsc::Sender<Told>) -> Self {
        Self {
            video_decoder: None,
            video: VideoJudge::new(config),
            audio_decoder: None,
            audio: AudioJudge::new(),
            sync: SyncJudge::new(),
            audio_errors: 0,
            cpu: Cpu::default(),
            series,
            told,
        }
    }

    /// Works until the queue is closed. `ended` then says when the call did, and everything so far stands in `latest` now
    /// and then.
    pub(super) fn run(
        mut self,
        queue: &Receiver<Work>,
        latest: &Mutex<Judged>,
        ended: &OnceLock<Instant>,
    ) -> (Judged, Vec<Snapshot>) {
        let (mut seen, mut heard) = (false, false);
        let mut count = 0_u32;
        while let Ok(work) = queue.recv() {
            match work {
                Work::Picture { codec, data, timestamp, sent_at } => {
                    if self.picture(codec, &data, timestamp, sent_at) && !std::mem::replace(&mut seen, true) {
                        self.tell(Told::Milestone(Milestone::FirstPicture, now()));
                    }
                }
                Work::Frame { timestamp, at, sent_at } => {
                    self.video.whole_frame(at, timestamp, sent_at);
                    self.seen(at);
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
        // Without an end the run was given up, and nobody reads this.
        let ended = ended.get().copied().unwrap_or_else(now);
        let judged = self.judged();
        let (video, snapshots) = self.video.finish(ended);
        (Judged { video, audio: self.audio.finish(ended), ..judged }, snapshots)
    }

    fn tell(&self, told: Told) {
        // Only a reader that has gone away misses these few.
        let _ = self.told.try_send(told);
    }

    fn picture(&mut self, codec: VideoCodec, data: &[u8], timestamp: u32, sent_at: Option<Instant>) -> bool {
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
                self.video.picture(at, timestamp, sent_at, &picture);
                if let Some(flash) = self.video.take_event() {
                    self.sync.flash(flash);
                }
                self.seen(at);
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
    fn seen(&mut self, at: Instant) {
        let mut series = lock(&self.series);
        series.add(at, Column::Fps, 1.0);
        if let Some(latency) = self.video.take_latency() {
            series.add(at, Column::VideoLatency, latency);
        }
        if let Some(psnr) = self.video.take_psnr() {
            series.add(at, Column::Psnr, psnr);
        }
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
                self.audio.samples(at, timestamp, samples);
                if let Some(click) = self.audio.take_event() {
                    self.sync.click(click);
                }
                lock(&self.series).add(at, Column::Level, self.audio.level_now());
                true
            }
            Err(error) => {
                tracing::debug!(%error, "a packet of sound could not be decoded");
                self.audio_errors += 1;
                false
            }
        }
    }

    /// Everything so far.
    pub(super) fn judged(&self) -> Judged {
        Judged {
            video: self.video.report(),
            audio: self.audio.report(),
            audio_errors: self.audio_errors,
            av_offset: self.sync.distribution(),
            decode_cpu: self.cpu.decode,
            judge_cpu: self.cpu.judge,
        }
    }
}

/// CPU time that this thread has used; zero where the system does not tell.
fn thread_cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from).unwrap_or_default()
}
