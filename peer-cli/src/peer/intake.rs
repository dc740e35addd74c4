//! The receiving half up to the judges: RTP into the receive brains, frames out of them to the judging thread.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::Milestone;
use super::judging::{Judged, Judging, Shared, Told, Work, lock};
use super::recording::Recording;
use super::stream::{Stream, video_codec};
use crate::clock::{Started, millis, round};
use crate::measure::{Column, SendLedger, SenderClock, SeriesBuilder, mos_estimate};
use crate::receive::{Output, Receiver};
use crate::report::{AudioReport, Direction, JudgeLevel, Snapshot, VideoReport};
use crate::rtc::{LinkStats, MediaKind, ReceivedCodec, RtpPacket};

/// What the judging thread tells that may wait; there are two milestones in a call, and errors may come with each frame.
const TOLD: usize = 64;

/// What the judge of sound calls a level when there is none, in dBFS.
const PERFECT_SILENCE: f64 = -120.0;

/// How the media is looked at.
pub(super) struct IntakeConfig {
    pub(super) judge: JudgeLevel,
    /// Whose pattern to expect; `None` takes any.
    pub(super) expected_peer: Option<u8>,
    pub(super) started: Started,
    /// When the other side sent what, where it runs in this process.
    pub(super) ledger: Option<SendLedger>,
    /// Where what arrives is written down.
    pub(super) recording: Option<Recording>,
}

/// Takes packets, keeps counts, feeds the judges.
pub(super) struct Intake {
    config: IntakeConfig,
    video: Option<Stream>,
    audio: Option<Stream>,
    shared: Arc<Shared>,
    judging: Judging,
    told: mpsc::Receiver<Told>,
    reached: VecDeque<(Milestone, Instant)>,
    key_frame_seen: bool,
    key_frame_wanted: bool,
    key_frames_requested: u64,
    overrun: u64,
}

/// What came, in the end. The names in the direction are the caller's to fill in.
pub(super) struct Received {
    pub(super) direction: Direction,
    pub(super) overrun: u64,
}

impl Intake {
    pub(super) fn start(config: IntakeConfig) -> Self {
        let (sender, told) = mpsc::channel(TOLD);
        let clock = |kind, rate| Mutex::new(SenderClock::new(kind, rate, config.ledger.clone()));
        let shared = Arc::new(Shared {
            video_clock: clock(MediaKind::Video, 90_000),
            audio_clock: clock(MediaKind::Audio, 48_000),
            series: Mutex::new(SeriesBuilder::new(config.started.mono)),
        });
        let judging = Judging::start(config.expected_peer, config.started, Arc::clone(&shared), sender);
        Self {
            config,
            video: None,
            audio: None,
            shared,
            judging,
            told,
            reached: VecDeque::new(),
            key_frame_seen: false,
            key_frame_wanted: false,
            key_frames_requested: 0,
            overrun: 0,
        }
    }

    /// Takes one packet.
    pub(super) fn packet(
        &mut self,
        at: Instant,
        kind: MediaKind,
        (codec, clock_rate): (&ReceivedCodec, u32),
        packet: RtpPacket,
    ) {
        let first_of_all = self.video.is_none() && self.audio.is_none();
        let assemble = self.config.judge >= JudgeLevel::Frames || self.config.recording.is_some();
        let slot = match kind {
            MediaKind::Audio => &mut self.audio,
            MediaKind::Video => &mut self.video,
        };
        if slot.as_ref().is_some_and(|stream| stream.ssrc() != packet.ssrc && stream.is_alive(at)) {
            // A second stream of the kind, such as a shared screen, beside the first: one of them is judged.
            return;
        }
        if let Some(recording) = &self.config.recording {
            recording.rtp(at, kind, &packet);
        }
        let same = slot.take().filter(|stream| *stream.codec() == *codec);
        let stream = slot.insert(same.unwrap_or_else(|| Stream::new(codec.clone(), clock_rate, at, assemble)));
        let news = stream.packet(at, packet);
        let mut series = lock(&self.shared.series);
        let (rate, lost, jitter) = match kind {
            MediaKind::Video => (Column::VideoKbps, Column::VideoLost, Column::VideoJitter),
            MediaKind::Audio => (Column::AudioKbps, Column::AudioLost, Column::AudioJitter),
        };
        series.add(at, rate, news.kilobits);
        series.add(at, lost, news.missed as f64);
        series.add(at, jitter, news.jitter_ms);
        drop(series);
        if first_of_all {
            self.reached.push_back((Milestone::FirstPacket, at));
        }
        self.forward(at);
    }

    /// The far end has told what its RTP clock showed at a time of its wall clock.
    pub(super) fn sender_report(&self, kind: MediaKind, at: Instant, ntp: u64, rtp_timestamp: u32) {
        let clock = match kind {
            MediaKind::Audio => &self.shared.audio_clock,
            MediaKind::Video => &self.shared.video_clock,
        };
        lock(clock).sender_report(at, self.config.started.unix_at(at), ntp, rtp_timestamp);
    }

    /// Puts a value of the path into the series.
    pub(super) fn note(&self, now: Instant, column: Column, value: f64) {
        lock(&self.shared.series).add(now, column, value);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.receivers().filter_map(Receiver::poll_timeout).min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        for stream in [&mut self.video, &mut self.audio].into_iter().flatten() {
            if let Some(receiver) = stream.receiver() {
                receiver.handle_timeout(now);
            }
        }
        self.forward(now);
    }

    /// Whether the other side is to be asked for a key frame; asks once.
    pub(super) fn wants_key_frame(&mut self) -> bool {
        std::mem::take(&mut self.key_frame_wanted)
    }

    /// The next milestone that was reached here.
    pub(super) fn reached(&mut self) -> Option<(Milestone, Instant)> {
        self.reached.pop_front()
    }

    /// The next thing that the judging thread tells.
    pub(super) async fn told(&mut self) -> Option<Told> {
        self.told.recv().await
    }

    /// Takes it.
    pub(super) fn handle_told(&mut self, now: Instant, told: Told) {
        match told {
            Told::Milestone(milestone, at) => self.reached.push_back((milestone, at)),
            Told::Undecodable => {
                if let Some(receiver) = self.video.as_mut().and_then(Stream::receiver) {
                    receiver.undecodable(now);
                }
                self.forward(now);
            }
        }
    }

    pub(super) fn status(&self, now: Instant) -> (Option<VideoReport>, Option<AudioReport>) {
        let judged = self.judging.snapshot();
        let link = LinkStats::default();
        (self.video_report(&judged, &link, Vec::new(), now), self.audio_report(&judged, &link, None, now))
    }

    /// Lets the judges finish what lies before them. `ended`: when the call did.
    pub(super) async fn finish(mut self, ended: Instant, link: &LinkStats, rtt: Option<Duration>) -> Received {
        let (judged, snapshots) = self.judging.finish().await;
        let direction = Direction {
            video: self.video_report(&judged, link, snapshots, ended),
            audio: self.audio_report(&judged, link, rtt, ended),
            av_offset_ms: judged.av_offset,
            latency_basis: judged.basis.map(|basis| basis.name().to_owned()),
            series: lock(&self.shared.series).build(),
            ..Direction::default()
        };
        Received { direction, overrun: self.overrun }
    }

    fn receivers(&self) -> impl Iterator<Item = &Receiver> {
        [&self.video, &self.audio].into_iter().flatten().filter_map(Stream::peek_receiver)
    }

    /// Moves frames from the receive brains to the judges.
    fn forward(&mut self, now: Instant) {
        let judge = self.config.judge;
        for (kind, stream) in [(MediaKind::Video, &mut self.video), (MediaKind::Audio, &mut self.audio)] {
            let Some(stream) = stream else { continue };
            while let Some(output) = stream.poll_output() {
                match output {
                    Output::Frame { data, timestamp, key } => {
                        let codec = video_codec(stream.codec());
                        if kind == MediaKind::Video && key && !std::mem::replace(&mut self.key_frame_seen, true) {
                            self.reached.push_back((Milestone::FirstKeyFrame, now));
                        }
                        if let Some(recording) = &self.config.recording {
                            recording.frame(kind, codec, data.clone(), key, timestamp, now);
                        }
                        let work = match (judge, codec) {
                            (JudgeLevel::Packets, _) | (JudgeLevel::Frames, None) => continue,
                            (JudgeLevel::Frames, Some(_)) => Work::Frame { timestamp, at: now },
                            (JudgeLevel::Full, Some(codec)) => Work::Picture { codec, data, timestamp },
                            (JudgeLevel::Full, None) => Work::Sound { data, timestamp, at: now },
                        };
                        self.overrun += u64::from(!self.judging.give(work));
                    }
                    Output::NeedKeyFrame => {
                        self.key_frame_wanted = true;
                        self.key_frames_requested += 1;
                    }
                    Output::Lost { missing, discarded } => {
                        tracing::debug!(missing, discarded, %kind, "packets given up");
                    }
                }
            }
        }
    }

    fn video_report(
        &self,
        judged: &Judged,
        link: &LinkStats,
        snapshots: Vec<Snapshot>,
        now: Instant,
    ) -> Option<VideoReport> {
        let stream = self.video.as_ref()?;
        let seen = &judged.video;
        let (width, height) = seen.size.unwrap_or_default();
        Some(VideoReport {
            stream: stream.report(now, link.nacks_sent_video, link.retransmissions),
            frames: stream.frames(),
            key_frames: stream.key_frames(),
            decoded: seen.decoded,
            decode_errors: seen.errors,
            fps: round(seen.fps().unwrap_or_default()),
            width,
            height,
            stamped: seen.stamped,
            wrong_peer: seen.wrong_peer,
            black: seen.black,
            repeated: seen.repeated,
            frames_lost: seen.frames_lost,
            freezes: seen.freezes,
            freeze_ms: millis(seen.freeze),
            longest_gap_ms: millis(seen.longest_gap),
            latency_ms: seen.latency,
            psnr_db: seen.psnr,
            ssim: seen.ssim,
            key_frames_requested: self.key_frames_requested,
            decode_cpu_ms: millis(judged.decode_cpu),
            judge_cpu_ms: millis(judged.judge_cpu),
            snapshots,
        })
    }

    fn audio_report(
        &self,
        judged: &Judged,
        link: &LinkStats,
        rtt: Option<Duration>,
        now: Instant,
    ) -> Option<AudioReport> {
        let stream = self.audio.as_ref()?;
        let heard = &judged.audio;
        let counts = stream.report(now, link.nacks_sent_audio, 0);
        let full = self.config.judge == JudgeLevel::Full;
        // Where the latency is not known, half of the way there and back is the best guess.
        let one_way_ms = heard.latency.map(|l| l.p50).or_else(|| rtt.map(|rtt| rtt.as_secs_f64() * 500.0));
        Some(AudioReport {
            decode_errors: judged.audio_errors,
            seconds: round(if full { heard.seconds } else { stream.seconds() }),
            level_dbfs: (heard.level_dbfs > PERFECT_SILENCE).then(|| round(heard.level_dbfs)),
            tone_hz: heard.tone_hz.map(round),
            expected_tone_hz: None,
            audible: full && !heard.silent,
            gaps: heard.gaps,
            gap_ms: millis(heard.gap),
            longest_gap_ms: millis(heard.longest_gap),
            clicks: heard.clicks,
            latency_ms: heard.latency,
            mos_estimate: one_way_ms.map(|ms| round(mos_estimate(ms, counts.loss_percent))),
            stream: counts,
        })
    }
}
