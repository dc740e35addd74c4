//! What came, as a report tells it.

use std::time::{Duration, Instant};

use super::Intake;
use crate::clock::{millis, round};
use crate::measure::{Basis, Distribution, clock_skew_ms, mos_estimate};
use crate::peer::judging::{Judged, lock};
use crate::report::{AudioReport, Direction, JudgeLevel, Snapshot, VideoReport};
use crate::rtc::LinkStats;

/// What the judge of sound calls a level when there is none, in dBFS.
const PERFECT_SILENCE: f64 = -120.0;

impl Intake {
    /// What came until now.
    pub(in crate::peer) fn status(&self, now: Instant) -> (Option<VideoReport>, Option<AudioReport>) {
        let judged = self.judging.snapshot();
        let link = LinkStats::default();
        let [video, audio] = self.latencies(&judged, None);
        (self.video_report(&judged, &link, video, now), self.audio_report(&judged, &link, audio, None, now))
    }

    /// All of it, but for the names. `rtt`: of the path.
    pub(super) fn direction(
        &self,
        judged: &Judged,
        snapshots: Vec<Snapshot>,
        link: &LinkStats,
        rtt: Option<Duration>,
        ended: Instant,
    ) -> Direction {
        let [video_latency, audio_latency] = self.latencies(judged, rtt);
        let skew = video_latency.skew_ms.or(audio_latency.skew_ms).map(skewed);
        let basis = video_latency.basis.or(audio_latency.basis);
        let mut series = lock(&self.series).build();
        if let Some(series) = &mut series {
            for (latency, column) in
                [(video_latency, &mut series.video_latency_ms), (audio_latency, &mut series.audio_latency_ms)]
            {
                if latency.skew_ms.is_some() {
                    column.fill(None);
                }
            }
        }
        let mut video = self.video_report(judged, link, video_latency, ended);
        if let Some(video) = &mut video {
            video.snapshots = snapshots;
        }
        Direction {
            video,
            audio: self.audio_report(judged, link, audio_latency, rtt, ended),
            av_offset_ms: judged.av_offset,
            latency_basis: basis.map(|basis| basis.name().to_owned()),
            remarks: skew.into_iter().chain(skipped(self.video.skipped, self.audio.skipped)).collect(),
            series,
            ..Direction::default()
        }
    }

    /// Of the pictures and of the sound.
    fn latencies(&self, judged: &Judged, rtt: Option<Duration>) -> [Latency; 2] {
        let seen = self.video.basis.or_else(|| judged.video.picture_basis.then_some(Basis::Picture));
        [
            Latency::new(judged.video.latency, seen, rtt),
            Latency::new(self.audio.latency.distribution(), self.audio.basis, rtt),
        ]
    }

    fn video_report(&self, judged: &Judged, link: &LinkStats, latency: Latency, now: Instant) -> Option<VideoReport> {
        let stream = self.video.stream.as_ref()?;
        let run_start = self.config.started.mono;
        let seen = &judged.video;
        let (width, height) = seen.size.unwrap_or_default();
        Some(VideoReport {
            stream: stream.report(now, link.nacks_sent_video),
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
            black_at_end: seen.black_at_end.map(|lasting| lasting.told(run_start)),
            still_at_end: seen.still_at_end.map(|lasting| lasting.told(run_start)),
            repeated: seen.repeated,
            frames_lost: seen.frames_lost,
            freezes: seen.freezes,
            freeze_ms: millis(seen.freeze),
            end_freeze_ms: millis(seen.end_freeze),
            picture_quiet_ms: seen.quiet.map(millis),
            longest_gap_ms: millis(seen.longest_gap),
            latency_ms: latency.spread,
            latency_basis: latency.basis.map(|basis| basis.name().to_owned()),
            psnr_db: seen.psnr,
            ssim: seen.ssim,
            key_frames_requested: self.key_frames_requested,
            skipped: self.video.skipped,
            decode_cpu_ms: millis(judged.decode_cpu),
            judge_cpu_ms: millis(judged.judge_cpu),
            snapshots: Vec::new(),
        })
    }

    fn audio_report(
        &self,
        judged: &Judged,
        link: &LinkStats,
        latency: Latency,
        rtt: Option<Duration>,
        now: Instant,
    ) -> Option<AudioReport> {
        let stream = self.audio.stream.as_ref()?;
        let run_start = self.config.started.mono;
        let heard = &judged.audio;
        let counts = stream.report(now, link.nacks_sent_audio);
        let full = self.config.judge == JudgeLevel::Full;
        Some(AudioReport {
            decode_errors: judged.audio_errors,
            seconds: round(if full { heard.seconds } else { stream.seconds() }),
            level_dbfs: (heard.level_dbfs > PERFECT_SILENCE).then(|| round(heard.level_dbfs)),
            tone_hz: heard.tone_hz.map(round),
            tones: heard.tones.iter().map(|tone| tone.told(run_start)).collect(),
            expected_tone_hz: None,
            audible: full && !heard.silent,
            silent_at_end: heard.silent_at_end.map(|lasting| lasting.told(run_start)),
            sound_quiet_ms: heard.quiet.map(millis),
            gaps: heard.gaps,
            gap_ms: millis(heard.gap),
            longest_gap_ms: millis(heard.longest_gap),
            clicks: heard.clicks,
            latency_ms: latency.spread,
            latency_basis: latency.basis.map(|basis| basis.name().to_owned()),
            skipped: self.audio.skipped,
            mos_estimate: latency.one_way_ms(rtt).map(|ms| round(mos_estimate(ms, counts.loss_percent))),
            stream: counts,
        })
    }
}

/// A latency as it can be told.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Latency {
    /// `None` where it is not known or cannot be true.
    spread: Option<Distribution>,
    /// What it rests on.
    basis: Option<Basis>,
    /// Where it cannot be true: how far the two clocks are apart, in milliseconds.
    skew_ms: Option<f64>,
}

impl Latency {
    fn new(spread: Option<Distribution>, basis: Option<Basis>, rtt: Option<Duration>) -> Self {
        let (Some(found), Some(basis)) = (spread, basis) else { return Self::default() };
        match clock_skew_ms(&found, rtt).filter(|_| basis != Basis::SharedClock) {
            Some(skew_ms) => Self { skew_ms: Some(skew_ms), ..Self::default() },
            None => Self { spread, basis: Some(basis), skew_ms: None },
        }
    }

    /// What the path takes one way, in milliseconds: what was measured by one clock, else half of the way there and back.
    fn one_way_ms(self, rtt: Option<Duration>) -> Option<f64> {
        let measured = self.spread.filter(|_| self.basis == Some(Basis::SharedClock));
        measured.map(|latency| latency.p50).or_else(|| rtt.map(|rtt| rtt.as_secs_f64() * 500.0))
    }
}

fn skewed(skew_ms: f64) -> String {
    let apart = skew_ms.abs();
    let apart = if apart < 1000.0 { format!("{apart:.0} ms") } else { format!("{:.1} s", apart / 1000.0) };
    format!("the clocks of the two machines differ by about {apart}, so latencies are left out")
}

/// What was not judged.
fn skipped(frames: u64, packets: u64) -> Option<String> {
    let what = match (frames, packets) {
        (0, 0) => return None,
        (_, 0) => format!("{frames} video frames"),
        (0, _) => format!("{packets} audio packets"),
        (_, _) => format!("{frames} video frames and {packets} audio packets"),
    };
    Some(format!("{what} were not judged: this machine was too slow"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Option<Duration> = Some(Duration::from_millis(40));

    fn latency(ms: f64, basis: Basis) -> Latency {
        Latency::new(Some(Distribution { min: ms, p50: ms, ..Distribution::default() }), Some(basis), RTT)
    }

    #[test]
    fn only_one_clock_makes_a_delay_for_the_e_model() {
        assert_eq!(latency(25.0, Basis::SharedClock).one_way_ms(RTT), Some(25.0));
        for basis in [Basis::SenderReport, Basis::Picture] {
            assert_eq!(latency(25.0, basis).one_way_ms(RTT), Some(20.0), "{basis:?}");
            assert_eq!(latency(25.0, basis).one_way_ms(None), None, "{basis:?}");
        }
    }

    #[test]
    fn what_two_clocks_make_impossible_is_left_out_and_what_one_clock_says_is_not() {
        let skewed = latency(-980.0, Basis::SenderReport);
        assert_eq!(skewed, Latency { skew_ms: Some(-1000.0), ..Latency::default() });
        assert_eq!(latency(25.0, Basis::Picture).spread.map(|spread| spread.p50), Some(25.0));
        assert_eq!(latency(9000.0, Basis::SharedClock).spread.map(|spread| spread.p50), Some(9000.0));
    }

    #[test]
    fn remarks_are_sentences_with_numbers() {
        let words = |ms| skewed(ms).split(',').next().map(str::to_owned);
        assert_eq!(words(-1540.0).as_deref(), Some("the clocks of the two machines differ by about 1.5 s"));
        assert_eq!(words(12.4).as_deref(), Some("the clocks of the two machines differ by about 12 ms"));
        assert_eq!(skipped(0, 0), None);
        assert_eq!(skipped(3, 0).as_deref(), Some("3 video frames were not judged: this machine was too slow"));
        let both = skipped(3, 7).unwrap();
        assert!(both.starts_with("3 video frames and 7 audio packets were"), "{both}");
    }
}
