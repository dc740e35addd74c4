//! The receiving half up to the judges: RTP into the receive brains, frames out of them to the judging thread.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::judging::{Heard, Judging, Work};
use super::{Milestone, round};
use crate::media::VideoCodec;
use crate::receive::{Output, Payload, ReceiveConfig, Receiver, RtpHeader, StreamStats};
use crate::report::{AudioReport, StreamReport, VideoReport};
use crate::rtc::{MediaKind, ReceivedCodec, RtpPacket};

/// Milestones of the judging thread that may wait; there are two in a call.
const MILESTONES: usize = 8;

/// What the judge of sound calls a level when there is none, in dBFS.
const PERFECT_SILENCE: f64 = -120.0;

/// Takes packets, keeps counts, feeds the judges.
pub(super) struct Intake {
    video: Option<Stream>,
    audio: Option<Stream>,
    judging: Judging,
    milestones: mpsc::Receiver<Milestone>,
    key_frame_wanted: bool,
    key_frames_requested: u64,
    overrun: u64,
}

/// What came, in the end.
pub(super) struct Received {
    pub(super) video: Option<VideoReport>,
    pub(super) audio: Option<AudioReport>,
    pub(super) overrun: u64,
}

struct Stream {
    codec: ReceivedCodec,
    /// `None` for a codec that nobody here decodes.
    receiver: Option<Receiver>,
    stats: StreamStats,
    ssrc: u32,
    frames: u64,
    first: Instant,
    last: Instant,
}

/// A stream that was silent for this long may be followed by another one.
const GONE_AFTER: Duration = Duration::from_secs(1);

impl Intake {
    pub(super) fn start(expected_peer: Option<u8>) -> Self {
        let (sender, milestones) = mpsc::channel(MILESTONES);
        Self {
            video: None,
            audio: None,
            judging: Judging::start(expected_peer, sender),
            milestones,
            key_frame_wanted: false,
            key_frames_requested: 0,
            overrun: 0,
        }
    }

    /// Takes one packet; tells when it is the first of all.
    pub(super) fn packet(
        &mut self,
        at: Instant,
        kind: MediaKind,
        codec: &ReceivedCodec,
        clock_rate: u32,
        packet: RtpPacket,
    ) -> Option<Milestone> {
        let first_of_all = self.video.is_none() && self.audio.is_none();
        let slot = match kind {
            MediaKind::Audio => &mut self.audio,
            MediaKind::Video => &mut self.video,
        };
        if slot.as_ref().is_some_and(|stream| stream.ssrc != packet.ssrc && stream.is_alive(at)) {
            // A second stream of the kind, such as a shared screen, beside the first: one of them is judged.
            return None;
        }
        let same = slot.take().filter(|stream| stream.codec == *codec);
        let stream = slot.insert(same.unwrap_or_else(|| Stream::new(codec.clone(), clock_rate, at)));
        stream.packet(at, packet);
        self.forward(at);
        first_of_all.then_some(Milestone::FirstPacket)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.receivers().filter_map(Receiver::poll_timeout).min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        for stream in [&mut self.video, &mut self.audio].into_iter().flatten() {
            if let Some(receiver) = &mut stream.receiver {
                receiver.handle_timeout(now);
            }
        }
        self.forward(now);
    }

    /// Whether the other side is to be asked for a key frame; asks once.
    pub(super) fn wants_key_frame(&mut self) -> bool {
        std::mem::take(&mut self.key_frame_wanted)
    }

    /// The next milestone of the judging thread.
    pub(super) async fn milestone(&mut self) -> Option<Milestone> {
        self.milestones.recv().await
    }

    pub(super) fn status(&self, now: Instant) -> (Option<VideoReport>, Option<AudioReport>) {
        let (video, audio) = self.judging.snapshot();
        (self.video_report(&video, now), self.audio_report(&audio, now))
    }

    /// Lets the judges finish what lies before them. `ended`: when the call did.
    pub(super) async fn finish(mut self, ended: Instant) -> Received {
        let (video, audio) = self.judging.finish().await;
        let (video, audio) = (self.video_report(&video, ended), self.audio_report(&audio, ended));
        Received { video, audio, overrun: self.overrun }
    }

    fn receivers(&self) -> impl Iterator<Item = &Receiver> {
        [&self.video, &self.audio].into_iter().flatten().filter_map(|stream| stream.receiver.as_ref())
    }

    /// Moves frames from the receive brains to the judges.
    fn forward(&mut self, now: Instant) {
        for stream in [&mut self.video, &mut self.audio].into_iter().flatten() {
            let codec = stream.codec.clone();
            let Some(receiver) = &mut stream.receiver else { continue };
            while let Some(output) = receiver.poll_output() {
                match output {
                    Output::Frame { data, .. } => {
                        stream.frames += 1;
                        let work = match video_codec(&codec) {
                            Some(codec) => Work::Video { codec, data, at: now },
                            None => Work::Audio { data },
                        };
                        self.overrun += u64::from(!self.judging.give(work));
                    }
                    Output::NeedKeyFrame => {
                        self.key_frame_wanted = true;
                        self.key_frames_requested += 1;
                    }
                    Output::Lost { missing, discarded } => {
                        tracing::debug!(missing, discarded, ?codec, "packets given up");
                    }
                }
            }
        }
    }

    fn video_report(&self, heard: &crate::media::VideoHeard, now: Instant) -> Option<VideoReport> {
        let stream = self.video.as_ref()?;
        let (width, height) = heard.size.unwrap_or_default();
        Some(VideoReport {
            stream: stream.report(now),
            frames: stream.frames,
            decoded: heard.decoded,
            decode_errors: heard.errors,
            fps: round(heard.fps().unwrap_or_default()),
            width,
            height,
            stamped: heard.stamped,
            wrong_peer: heard.wrong_peer,
            black: heard.black,
            key_frames_requested: self.key_frames_requested,
        })
    }

    fn audio_report(&self, heard: &Heard, now: Instant) -> Option<AudioReport> {
        let stream = self.audio.as_ref()?;
        Some(AudioReport {
            stream: stream.report(now),
            decode_errors: heard.errors,
            seconds: round(heard.judged.seconds),
            level_dbfs: (heard.judged.level_dbfs > PERFECT_SILENCE).then(|| round(heard.judged.level_dbfs)),
            tone_hz: heard.judged.tone_hz.map(round),
            expected_tone_hz: None,
            audible: !heard.judged.silent,
        })
    }
}

impl Stream {
    fn new(codec: ReceivedCodec, clock_rate: u32, at: Instant) -> Self {
        let payload = match (&codec, video_codec(&codec)) {
            (_, Some(codec)) => Some(Payload::Video(codec)),
            (ReceivedCodec::Opus, None) => Some(Payload::Opus),
            (ReceivedCodec::Vp8 | ReceivedCodec::H264 | ReceivedCodec::Other(_), None) => None,
        };
        Self {
            codec,
            receiver: payload.map(|payload| Receiver::new(ReceiveConfig::new(payload))),
            stats: StreamStats::new(clock_rate),
            ssrc: 0,
            frames: 0,
            first: at,
            last: at,
        }
    }

    fn packet(&mut self, at: Instant, packet: RtpPacket) {
        let header = RtpHeader {
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            marker: packet.marker,
            ssrc: packet.ssrc,
        };
        self.last = at;
        self.ssrc = packet.ssrc;
        self.stats.packet(at, &header, packet.payload.len());
        if let Some(receiver) = &mut self.receiver {
            receiver.packet(at, header, packet.payload);
        }
    }

    fn is_alive(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last) < GONE_AFTER
    }

    fn report(&self, now: Instant) -> StreamReport {
        let stats = self.stats.report();
        let seconds = self.last.saturating_duration_since(self.first).as_secs_f64();
        let kilobits = stats.bytes as f64 * 8.0 / 1000.0;
        StreamReport {
            codec: match &self.codec {
                ReceivedCodec::Opus => "opus".to_owned(),
                ReceivedCodec::Vp8 => "VP8".to_owned(),
                ReceivedCodec::H264 => "H264".to_owned(),
                ReceivedCodec::Other(name) => name.clone(),
            },
            packets: stats.received,
            lost: stats.lost,
            duplicates: stats.duplicates,
            reordered: stats.reordered,
            bytes: stats.bytes,
            bitrate_kbps: if seconds > 0.0 { round(kilobits / seconds) } else { 0.0 },
            jitter_ms: round(stats.jitter_ms),
            quiet_ms: round(now.saturating_duration_since(self.last).as_secs_f64() * 1000.0),
        }
    }
}

fn video_codec(codec: &ReceivedCodec) -> Option<VideoCodec> {
    match codec {
        ReceivedCodec::Vp8 => Some(VideoCodec::Vp8),
        ReceivedCodec::H264 => Some(VideoCodec::H264),
        ReceivedCodec::Opus | ReceivedCodec::Other(_) => None,
    }
}
