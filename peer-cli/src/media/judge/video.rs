//! Pictures: are they there, do they move, are they the right ones, and how good are they?

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::super::{ClockStrip, Picture, Stamp};
use super::lasting::{Lasting, Stretch};
use crate::measure::{Collector, Distribution, signed_ms};
use crate::report::Snapshot;

mod album;
mod likeness;
mod numbering;
mod pace;
mod still;
#[cfg(test)]
mod tests;

use album::Album;
use likeness::Likeness;
use numbering::{Numbering, Step};
use pace::Pace;
use still::Still;

/// What a [`VideoJudge`] has to know beforehand.
#[derive(Debug, Clone, Copy)]
pub struct VideoJudgeConfig {
    /// The peer number whose pattern should be seen; `None` takes whoever comes first.
    pub expected: Option<u8>,
    /// When the run began; snapshots count their time from it.
    pub run_start: Instant,
    /// The same moment by the local wall clock, since 1970: what a [`ClockStrip`] is compared with.
    pub run_start_unix: Duration,
}

/// Looks at every decoded picture of one track, or at the times of its whole frames.
#[derive(Debug)]
pub struct VideoJudge {
    config: VideoJudgeConfig,
    /// The counts; measures that have a part of their own are filled in by [`VideoJudge::report`].
    heard: VideoHeard,
    pace: Pace,
    numbering: Numbering,
    black: Stretch,
    still: Still,
    latency: Collector,
    latency_now: Option<f64>,
    likeness: Likeness,
    album: Album,
    psnr: Option<f64>,
    flashes: VecDeque<Instant>,
}

/// What was seen on one track.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct VideoHeard {
    /// Pictures decoded.
    pub decoded: u64,
    /// Frames the decoder refused.
    pub errors: u64,
    /// Pictures with a readable [`Stamp`]; 0 is normal for cameras and files.
    pub stamped: u64,
    /// Stamped pictures of another peer than the expected one, or the first seen when none is expected.
    pub wrong_peer: u64,
    /// Whose stamp was on the first stamped picture.
    pub from_peer: Option<u8>,
    /// Pictures that show the same as the one before: by their stamps, or to the last pixel where there is none.
    pub repeated: u64,
    /// Stamped pictures that were drawn and never came, counted from the numbers in the stamps and the RTP timestamps.
    pub frames_lost: u64,
    /// Pictures with nothing to see: black, or one flat colour.
    pub black: u64,
    /// Since when there has been nothing to see, where that is so up to the last picture.
    pub black_at_end: Option<Lasting>,
    /// Since when the picture has stood still, where that is so up to the last one: by their stamps, or, where there is
    /// none, with every tile of 16x16 pixels as bright on average, to four levels of 256, as when the stretch began.
    pub still_at_end: Option<Lasting>,
    /// When the first picture was decoded (the first frame was whole, where nothing is decoded).
    pub first_at: Option<Instant>,
    /// Pictures, or whole frames where nothing is decoded.
    pub shown: u64,
    /// Gaps between pictures of at least three times the average and 150 ms more than it (the `freezeCount` of W3C
    /// webrtc-stats), the average being that of the last 30 gaps. What lies between the last picture and the end of the
    /// call is such a gap too, where it also lasts for a second: the other side may have hung up a moment earlier.
    pub freezes: u64,
    /// Those gaps together.
    pub freeze: Duration,
    /// The part of them that lies at the end of the call.
    pub end_freeze: Duration,
    /// From the last picture to the end of the call; `None` without a picture, and until the call has ended.
    pub quiet: Option<Duration>,
    /// The longest gap between two pictures.
    pub longest_gap: Duration,
    /// Width and height in pixels of the last picture.
    pub size: Option<(u32, u32)>,
    /// Sum of all gaps between pictures: first picture to last picture.
    pub watched: Duration,
    /// From sending a picture to having it here, in milliseconds.
    pub latency: Option<Distribution>,
    /// Whether a time of sending came from a [`ClockStrip`] in the picture.
    pub picture_basis: bool,
    /// Peak signal-to-noise ratio of the brightness in dB against the picture as it was drawn, of every seventh stamped
    /// picture; 100 stands for no difference.
    pub psnr: Option<Distribution>,
    /// Structural similarity of the brightness, up to 1, of every 17th stamped picture.
    pub ssim: Option<Distribution>,
}

impl VideoHeard {
    /// Pictures a second between the first and the last one; `None` with fewer than two.
    pub fn fps(&self) -> Option<f64> {
        let gaps = self.shown.checked_sub(1)? as f64;
        let seconds = self.watched.as_secs_f64();
        (gaps > 0.0 && seconds > 0.0).then(|| gaps / seconds)
    }
}

impl VideoJudge {
    /// Has seen nothing yet.
    pub fn new(config: VideoJudgeConfig) -> Self {
        Self {
            config,
            heard: VideoHeard::default(),
            pace: Pace::default(),
            numbering: Numbering::default(),
            black: Stretch::default(),
            still: Still::default(),
            latency: Collector::new(),
            latency_now: None,
            likeness: Likeness::default(),
            album: Album::default(),
            psnr: None,
            flashes: VecDeque::new(),
        }
    }

    /// A picture was decoded at `now`. `rtp_timestamp` (90 kHz) is that of its frame, and `sent_at` when the sender
    /// handed it over, where that is known.
    pub fn picture(&mut self, now: Instant, rtp_timestamp: u32, sent_at: Option<Instant>, picture: &Picture) {
        self.pace.shown(now);
        self.heard.decoded += 1;
        self.heard.size = Some((picture.width, picture.height));
        let is_black = is_blank(picture);
        self.heard.black += u64::from(is_black);
        self.black.note(now, is_black);
        self.psnr = None;
        let clock = match Stamp::read(picture) {
            Some(stamp) => self.stamped(now, rtp_timestamp, stamp, picture),
            None => {
                self.heard.repeated += u64::from(self.album.last_is(picture));
                self.still.unstamped(now, picture);
                None
            }
        };
        let latency = match sent_at {
            Some(sent_at) => Some(signed_ms(sent_at, now)),
            None => self.latency_by_clock(now, clock),
        };
        self.took(latency);
        let at = now.saturating_duration_since(self.config.run_start);
        self.album.keep(at, picture, self.psnr);
    }

    /// A frame became whole at `now` and is not decoded: only its time counts. Never both for one frame.
    pub fn whole_frame(&mut self, now: Instant, rtp_timestamp: u32, sent_at: Option<Instant>) {
        tracing::trace!(rtp_timestamp, "a whole frame");
        self.pace.shown(now);
        self.took(sent_at.map(|sent_at| signed_ms(sent_at, now)));
    }

    /// The decoder refused a frame.
    pub fn decode_error(&mut self) {
        self.heard.errors += 1;
    }

    /// The next flash of the pattern, as the instant at which its first picture was decoded. There is one a second.
    pub fn take_event(&mut self) -> Option<Instant> {
        self.flashes.pop_front()
    }

    /// The PSNR in dB of the last picture, if it was looked at and this was not asked yet.
    pub fn take_psnr(&mut self) -> Option<f64> {
        self.psnr.take()
    }

    /// The latency in milliseconds of the last picture, if it is known and this was not asked yet.
    pub fn take_latency(&mut self) -> Option<f64> {
        self.latency_now.take()
    }

    /// Everything so far.
    pub fn report(&self) -> VideoHeard {
        VideoHeard {
            first_at: self.pace.first_at,
            shown: self.pace.shown,
            freezes: self.pace.freezes,
            freeze: self.pace.freeze,
            end_freeze: self.pace.end_freeze,
            quiet: self.pace.quiet,
            black_at_end: self.black.lasting(),
            still_at_end: self.still.lasting(),
            longest_gap: self.pace.longest_gap,
            watched: self.pace.watched,
            latency: self.latency.distribution(),
            psnr: self.likeness.psnr.distribution(),
            ssim: self.likeness.ssim.distribution(),
            ..self.heard.clone()
        }
    }

    /// Everything, and the pictures worth keeping: the first, the last and the worst one. `ended`: when the call did.
    pub fn finish(mut self, ended: Instant) -> (VideoHeard, Vec<Snapshot>) {
        self.pace.end(ended);
        (self.report(), self.album.snapshots())
    }

    /// Returns the time in the picture where it has one and comes from the right peer.
    fn stamped(&mut self, now: Instant, rtp_timestamp: u32, stamp: Stamp, picture: &Picture) -> Option<u32> {
        self.heard.stamped += 1;
        let first = *self.heard.from_peer.get_or_insert(stamp.peer);
        let clock = ClockStrip::read(picture);
        let seen = self.numbering.seen(now, rtp_timestamp, stamp, clock.is_some());
        self.still.stamped(now, seen.step == Step::Repeated);
        match seen.step {
            Step::Repeated => self.heard.repeated += 1,
            Step::Forward { missing } => self.heard.frames_lost += missing,
            Step::Unknown => {}
        }
        if stamp.peer != self.config.expected.unwrap_or(first) {
            self.heard.wrong_peer += 1;
            return None;
        }
        if seen.flash {
            if self.flashes.len() == MOST_FLASHES {
                self.flashes.pop_front();
            }
            self.flashes.push_back(now);
        }
        self.psnr = self.likeness.compare(stamp, clock, picture);
        clock
    }

    /// The last picture has this latency, in milliseconds.
    fn took(&mut self, latency: Option<f64>) {
        self.latency_now = latency;
        if let Some(latency) = latency {
            self.latency.add(latency);
        }
    }

    fn latency_by_clock(&mut self, now: Instant, clock: Option<u32>) -> Option<f64> {
        let clock = clock?;
        let here = self.config.run_start_unix + now.saturating_duration_since(self.config.run_start);
        // The strip has the low 32 bits, so the difference is right for anything below 24 days.
        let whole = (here.as_millis() as u32).wrapping_sub(clock).cast_signed();
        let fraction = f64::from(here.subsec_nanos() % 1_000_000) / 1e6;
        self.heard.picture_basis = true;
        Some(f64::from(whole) + fraction)
    }
}

/// Flashes that nobody has taken yet.
const MOST_FLASHES: usize = 16;

/// Whether a person would say there is no picture: all dark, or hardly any difference anywhere. Every 16th pixel of
/// every fourth row is enough to tell.
fn is_blank(picture: &Picture) -> bool {
    const DARK: u64 = 24;
    /// Variances: what a codec leaves of a flat colour, and of black.
    const FLAT: u64 = 4;
    const DARK_NOISE: u64 = 64;
    let (mut count, mut sum, mut squares) = (0_u64, 0_u64, 0_u64);
    for row in picture.luma.chunks(picture.width.max(1) as usize).step_by(4) {
        for &pixel in row.iter().step_by(16) {
            let pixel = u64::from(pixel);
            count += 1;
            sum += pixel;
            squares += pixel * pixel;
        }
    }
    let Some(mean) = sum.checked_div(count) else {
        return true;
    };
    let variance = (squares * count).saturating_sub(sum * sum) / (count * count);
    variance <= FLAT || mean < DARK && variance < DARK_NOISE
}
