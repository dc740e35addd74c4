//! Sound: how loud is it, is it the tone of a peer, does it click each second, and is it whole?

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::super::AudioDecoder;
use super::lasting::{Lasting, Stretch};

mod clicks;
mod holes;
mod pitch;
#[cfg(test)]
mod tests;
mod tones;

use clicks::Clicks;
use holes::Holes;
use pitch::Pitch;
pub use tones::ToneHeard;
use tones::Tones;

/// Listens to the decoded samples of one track.
#[derive(Debug)]
pub struct AudioJudge {
    count: u64,
    squares: f64,
    level_now: f64,
    pitch: Pitch,
    tones: Tones,
    silence: Stretch,
    last_at: Option<Instant>,
    clicks: Clicks,
    clicks_heard: u64,
    holes: Holes,
    /// The last packets: the number of their first sample, and when they came.
    arrivals: VecDeque<(u64, Instant)>,
    events: VecDeque<Instant>,
}

/// What was heard on one track.
#[derive(Clone, PartialEq, Debug)]
pub struct AudioHeard {
    /// Length of the sound in seconds.
    pub seconds: f64,
    /// Root mean square of all samples, in dB below full scale: 0 is the loudest, -120 stands for nothing at all.
    pub level_dbfs: f64,
    /// The one frequency, in Hz, that holds most of the power; `None` for silence, speech, music and noise, and where
    /// there were not 200 ms without a hole. Good to a tenth of a hertz.
    pub tone_hz: Option<f64>,
    /// Which tone was heard when: 200 ms of each second, in order; at most 32 stretches, of which the last one then
    /// stands for all that follows.
    pub tones: Vec<ToneHeard>,
    /// Nobody would hear this: not louder than [`AudioHeard::AUDIBLE_DBFS`].
    pub silent: bool,
    /// Since when no packet has been louder than that, where this is so up to the last one.
    pub silent_at_end: Option<Lasting>,
    /// From the last packet to the end of the call; `None` without a packet, and until the call has ended.
    pub quiet: Option<Duration>,
    /// Clicks: 5 ms of 3 kHz.
    pub clicks: u64,
    /// Stretches of media time that no packet covers, by the RTP timestamps. What comes late is no hole.
    pub gaps: u64,
    /// Those holes together.
    pub gap: Duration,
    /// The longest of them.
    pub longest_gap: Duration,
}

impl AudioHeard {
    /// Louder than this counts as heard, in dBFS.
    pub const AUDIBLE_DBFS: f64 = -50.0;
}

impl AudioJudge {
    /// Has heard nothing yet.
    pub fn new() -> Self {
        Self {
            count: 0,
            squares: 0.0,
            level_now: QUIETEST_DBFS,
            pitch: Pitch::new(),
            tones: Tones::default(),
            silence: Stretch::default(),
            last_at: None,
            clicks: Clicks::new(),
            clicks_heard: 0,
            holes: Holes::default(),
            arrivals: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// The samples of one packet, 48 kHz mono, in the order of playing. `now` is when it came, `rtp_timestamp` counts
    /// samples too.
    pub fn samples(&mut self, now: Instant, rtp_timestamp: u32, samples: &[i16]) {
        if !self.holes.packet(now, rtp_timestamp, samples.len() as u32) {
            self.pitch.restart();
        }
        self.last_at = Some(now);
        push(&mut self.arrivals, (self.count, now), MOST_ARRIVALS);
        let mut squares = 0.0;
        for &sample in samples {
            let sample = f64::from(sample) / FULL_SCALE;
            squares += sample * sample;
            if let Some(look) = self.pitch.sample(sample) {
                self.tones.look(now, Pitch::LOOK, look.hz);
            }
            if let Some(onset) = self.clicks.sample(sample as f32) {
                self.click(onset);
            }
        }
        self.level_now = level(squares, samples.len() as u64);
        self.silence.note(now, self.level_now <= AudioHeard::AUDIBLE_DBFS);
        self.squares += squares;
        self.count += samples.len() as u64;
    }

    /// The next click, as the instant of its receipt: when its packet came, and as much later as it lies behind the
    /// packet's first sample. It is known 15 ms of sound later.
    pub fn take_event(&mut self) -> Option<Instant> {
        self.events.pop_front()
    }

    /// Level of the last packet in dBFS; -120 stands for nothing at all.
    pub fn level_now(&self) -> f64 {
        self.level_now
    }

    /// Everything so far.
    pub fn report(&self) -> AudioHeard {
        let level_dbfs = level(self.squares, self.count);
        let silent = level_dbfs <= AudioHeard::AUDIBLE_DBFS;
        let (gaps, gap, longest_gap) = self.holes.report();
        AudioHeard {
            seconds: self.count as f64 / f64::from(AudioDecoder::RATE),
            level_dbfs,
            tone_hz: if silent { None } else { self.pitch.tone() },
            tones: self.tones.heard().to_vec(),
            silent,
            silent_at_end: self.silence.lasting(),
            quiet: None,
            clicks: self.clicks_heard,
            gaps,
            gap,
            longest_gap,
        }
    }

    /// Everything. `ended`: when the call did.
    pub fn finish(self, ended: Instant) -> AudioHeard {
        let quiet = self.last_at.map(|last| ended.saturating_duration_since(last));
        AudioHeard { quiet, ..self.report() }
    }

    /// A click began at this sample, counted from the first one.
    fn click(&mut self, onset: u64) {
        self.clicks_heard += 1;
        let packet = self.arrivals.iter().rev().find(|(first, _)| *first <= onset);
        if let Some((first, at)) = packet {
            push(&mut self.events, *at + samples_long(onset.saturating_sub(*first)), MOST_EVENTS);
        }
    }
}

impl Default for AudioJudge {
    fn default() -> Self {
        Self::new()
    }
}

const QUIETEST_DBFS: f64 = -120.0;
const FULL_SCALE: f64 = 32_768.0;
/// A click is known 15 ms later, six of the shortest packets.
const MOST_ARRIVALS: usize = 16;
/// Clicks that nobody has taken yet.
const MOST_EVENTS: usize = 16;

fn level(squares: f64, count: u64) -> f64 {
    let mean_square = if count == 0 { 0.0 } else { squares / count as f64 };
    (10.0 * mean_square.log10()).max(QUIETEST_DBFS)
}

/// How long this many samples last.
fn samples_long(count: u64) -> Duration {
    Duration::from_secs(count) / AudioDecoder::RATE
}

fn push<T>(queue: &mut VecDeque<T>, value: T, most: usize) {
    if queue.len() == most {
        queue.pop_front();
    }
    queue.push_back(value);
}
