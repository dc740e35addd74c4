//! The receiving half up to the judges: RTP into the receive brains, frames out of them to the judging thread.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::Milestone;
use super::judging::{Finished, Judging, Told, Work, lock};
use super::recording::Recording;
use super::stream::Stream;
use crate::clock::Started;
use crate::measure::{Column, SendLedger, SeriesBuilder};
use crate::receive::{Output, Receiver};
use crate::report::{Direction, JudgeLevel};
use crate::rtc::{LinkStats, MediaKind, ReceivedCodec, RtpPacket};

mod figures;
#[cfg(test)]
mod tests;
mod track;

use track::Track;

/// What the judging thread tells that may wait; there are two milestones in a call, and errors may come with each frame.
const TOLD: usize = 64;

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
    video: Track,
    audio: Track,
    series: Arc<Mutex<SeriesBuilder>>,
    judging: Judging,
    told: mpsc::Receiver<Told>,
    reached: VecDeque<(Milestone, Instant)>,
    key_frame_seen: bool,
    key_frame_wanted: bool,
    key_frames_requested: u64,
}

/// What came, in the end.
pub(super) struct Received {
    /// The names are the caller's to fill in.
    pub(super) direction: Direction,
    /// Why nothing of it was judged any more from some time on, where that is so.
    pub(super) failure: Option<String>,
}

impl Intake {
    pub(super) fn start(config: IntakeConfig) -> Self {
        let (sender, told) = mpsc::channel(TOLD);
        let series = Arc::new(Mutex::new(SeriesBuilder::new(config.started.mono)));
        Self {
            video: Track::new(MediaKind::Video, config.ledger.clone()),
            audio: Track::new(MediaKind::Audio, config.ledger.clone()),
            judging: Judging::start(config.expected_peer, config.started, Arc::clone(&series), sender),
            config,
            series,
            told,
            reached: VecDeque::new(),
            key_frame_seen: false,
            key_frame_wanted: false,
            key_frames_requested: 0,
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
        let first_of_all = self.video.stream.is_none() && self.audio.stream.is_none();
        if self.track(kind).is_beside(at, packet.ssrc) {
            // A second stream of the kind, such as a shared screen, beside the first: one of them is judged.
            return;
        }
        if let Some(recording) = &self.config.recording {
            recording.rtp(at, kind, &packet);
        }
        if let Some(stream) = self.track(kind).stream.as_mut().filter(|stream| stream.codec() != codec) {
            stream.end(at);
            self.forward(at);
        }
        let assemble = self.config.judge >= JudgeLevel::Frames || self.config.recording.is_some();
        let (timestamp, is_padding) = (packet.timestamp, packet.payload.is_empty());
        let track = self.track(kind);
        let news = track.packet(at, (codec, clock_rate), assemble, packet);
        // Pictures have theirs as whole frames.
        let counts = kind == MediaKind::Audio && news.is_new && !is_padding;
        let latency = if counts { track.arrived(at, timestamp) } else { None };
        let (rate, lost, jitter) = match kind {
            MediaKind::Video => (Column::VideoKbps, Column::VideoLost, Column::VideoJitter),
            MediaKind::Audio => (Column::AudioKbps, Column::AudioLost, Column::AudioJitter),
        };
        let mut series = lock(&self.series);
        series.add(at, rate, news.kilobits);
        series.add(at, lost, news.missed as f64);
        series.add(at, jitter, news.jitter_ms);
        if let Some(latency) = latency {
            series.add(at, Column::AudioLatency, latency);
        }
        drop(series);
        if first_of_all {
            self.reached.push_back((Milestone::FirstPacket, at));
        }
        self.forward(at);
    }

    /// The far end has told what the RTP clock of a stream showed at a time of its wall clock.
    pub(super) fn sender_report(&mut self, kind: MediaKind, ssrc: u32, at: Instant, ntp: u64, rtp_timestamp: u32) {
        let is_taken = self.track(kind).stream.as_ref().is_some_and(|stream| stream.ssrc() == ssrc);
        if let Some(recording) = self.config.recording.as_ref().filter(|_| is_taken) {
            recording.sender_report(kind, at, ntp, rtp_timestamp);
        }
        let unix = self.config.started.unix_at(at);
        self.track(kind).clock.sender_report(ssrc, at, unix, ntp, rtp_timestamp);
    }

    /// The packet of this stream with this number was sent again, and is about to come.
    pub(super) fn repaired(&mut self, ssrc: u32, sequence: u16) {
        for stream in [&mut self.video.stream, &mut self.audio.stream].into_iter().flatten() {
            if stream.ssrc() == ssrc {
                stream.repaired(sequence);
            }
        }
    }

    /// Puts a value of the path into the series.
    pub(super) fn note(&self, now: Instant, column: Column, value: f64) {
        lock(&self.series).add(now, column, value);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let streams = [&self.video.stream, &self.audio.stream].into_iter().flatten();
        streams.filter_map(Stream::peek_receiver).filter_map(Receiver::poll_timeout).min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        for stream in [&mut self.video.stream, &mut self.audio.stream].into_iter().flatten() {
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
                if let Some(receiver) = self.video.stream.as_mut().and_then(Stream::receiver) {
                    receiver.undecodable(now);
                }
                self.forward(now);
            }
        }
    }

    /// Lets the judges finish what lies before them. `ended`: when the call did.
    pub(super) async fn finish(mut self, ended: Instant, link: &LinkStats, rtt: Option<Duration>) -> Received {
        for stream in [&mut self.video.stream, &mut self.audio.stream].into_iter().flatten() {
            stream.end(ended);
        }
        self.forward(ended);
        let Finished { judged, snapshots, failure } = self.judging.finish(ended).await;
        let direction = self.direction(&judged, snapshots, link, rtt.or(link.rtcp_rtt), ended);
        Received { direction, failure }
    }

    fn track(&mut self, kind: MediaKind) -> &mut Track {
        match kind {
            MediaKind::Audio => &mut self.audio,
            MediaKind::Video => &mut self.video,
        }
    }

    /// Moves frames from the receive brains to the judges.
    fn forward(&mut self, now: Instant) {
        for kind in [MediaKind::Video, MediaKind::Audio] {
            while let Some(output) = self.track(kind).stream.as_mut().and_then(Stream::poll_output) {
                match output {
                    Output::Frame { data, timestamp, key, arrived } => {
                        self.frame(now, kind, data, timestamp, key, arrived);
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

    fn frame(&mut self, now: Instant, kind: MediaKind, data: Bytes, timestamp: u32, key: bool, arrived: Instant) {
        let track = match kind {
            MediaKind::Audio => &mut self.audio,
            MediaKind::Video => &mut self.video,
        };
        let codec = track.video_codec();
        if kind == MediaKind::Video && key && !std::mem::replace(&mut self.key_frame_seen, true) {
            self.reached.push_back((Milestone::FirstKeyFrame, now));
        }
        if let Some(recording) = &self.config.recording {
            recording.frame(kind, codec, data.clone(), key, timestamp, now);
        }
        let work = match (self.config.judge, codec) {
            (JudgeLevel::Packets, _) | (JudgeLevel::Frames, None) => return,
            (JudgeLevel::Frames, Some(_)) => Work::Frame { timestamp, at: now, sent_at: track.sent_at(timestamp) },
            (JudgeLevel::Full, Some(codec)) => {
                Work::Picture { codec, data, timestamp, sent_at: track.sent_at(timestamp) }
            }
            // Heard when it came: a listener has no use for sound that waits for what was lost before it.
            (JudgeLevel::Full, None) => Work::Sound { data, timestamp, at: arrived },
        };
        track.skipped += u64::from(!self.judging.give(work));
    }
}
