//! A brain: Which quality makes VP8 key frames of the wanted size.

/// Steers the quality of an encoder so that its frames have a given size on average.
///
/// The size of a WebP grows about linearly with libwebp's "compression" value, which is a bent form of the quality; so
/// that value is what is corrected, by the factor the last frame was off. What was sent too much is saved over the next
/// frames, and the other way round.
#[derive(Clone, Debug)]
pub(super) struct QualityControl {
    /// Bits for one frame.
    budget: f64,
    /// The "compression" of the next frame.
    effort: f64,
    /// Bits sent beyond the budget so far; negative when there is something left.
    debt: f64,
}

impl QualityControl {
    /// For `bps` bit/s in `fps` pictures a second of `pixels` each.
    pub(super) fn new(bps: u32, fps: u32, pixels: u32) -> Self {
        let budget = f64::from(bps) / f64::from(fps.max(1));
        let effort = budget / f64::from(pixels.max(1)) * EFFORT_PER_BIT_OF_PIXEL;
        Self { budget, effort: bounded(effort), debt: 0.0 }
    }

    /// Changes the rate, in bit/s.
    pub(super) fn set_rate(&mut self, bps: u32, fps: u32) {
        let budget = f64::from(bps) / f64::from(fps.max(1));
        if (budget - self.budget).abs() > f64::EPSILON {
            self.effort = bounded(self.effort * budget / self.budget.max(1.0));
            self.budget = budget;
            // What was right for another rate is no debt now.
            self.debt = 0.0;
        }
    }

    /// The WebP quality for the next frame, 5 to 90.
    pub(super) fn quality(&self) -> f32 {
        quality(self.effort) as f32
    }

    /// A frame came out with this many bytes.
    pub(super) fn encoded(&mut self, bytes: usize) {
        let bits = (bytes * 8).max(1) as f64;
        let most = self.budget * MOST_DEBT;
        self.debt = (self.debt + bits - self.budget).clamp(-most, most);
        let goal = (self.budget - self.debt / PAID_BACK_IN).clamp(self.budget / 2.0, self.budget * 2.0);
        let factor = (goal / bits).clamp(0.25, 4.0).powf(GAIN);
        self.effort = bounded(self.effort * factor);
    }
}

/// The pattern at 640x480 has about 0.127 bits a pixel at quality 60, which is an effort of 0.4.
const EFFORT_PER_BIT_OF_PIXEL: f64 = 3.1;
/// Below 1, so that pictures whose size jumps about do not make the quality swing.
const GAIN: f64 = 0.6;
/// Frames.
const PAID_BACK_IN: f64 = 10.0;
/// Frames; more is forgotten, as when the rate cannot be reached.
const MOST_DEBT: f64 = 15.0;
/// Quality 5 and 90.
const EFFORT: std::ops::RangeInclusive<f64> = 0.05 * 2.0 / 3.0..=0.8;

fn bounded(effort: f64) -> f64 {
    effort.clamp(*EFFORT.start(), *EFFORT.end())
}

/// The inverse of how libwebp reads its quality: two thirds of it up to 75, steeper from there on.
fn quality(effort: f64) -> f64 {
    let share = if effort < 0.5 { effort * 1.5 } else { f64::midpoint(effort, 1.0) };
    (share * 100.0).clamp(5.0, 90.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIXELS: u32 = 640 * 480;

    /// An encoder whose frames grow with a power of the effort, a twelfth larger or smaller in turns.
    fn frame(control: &QualityControl, scale: f64, power: f64, number: usize) -> usize {
        let wobble = if number.is_multiple_of(2) { 13.0 / 12.0 } else { 11.0 / 12.0 };
        (scale * control.effort.powf(power) * wobble) as usize
    }

    fn mean_of_a_loop(control: &mut QualityControl, scale: f64, power: f64) -> f64 {
        let mut sum = 0;
        for number in 0..150 {
            let bytes = frame(control, scale, power, number);
            control.encoded(bytes);
            sum += bytes;
        }
        sum as f64 * 8.0 * 30.0 / 150.0
    }

    #[test]
    fn a_loop_has_the_wanted_rate_within_a_tenth_whatever_the_picture() {
        for bps in [300_000, 800_000, 1_500_000] {
            for (scale, power) in [(12_000.0, 0.6), (12_000.0, 1.0), (30_000.0, 0.8), (9_000.0, 1.3)] {
                let wanted = f64::from(bps);
                let rate_at = |effort: f64| scale * effort.powf(power) * 8.0 * 30.0;
                if !(rate_at(*EFFORT.start()) * 1.2..rate_at(*EFFORT.end()) * 0.8).contains(&wanted) {
                    continue;
                }
                let mut control = QualityControl::new(bps, 30, PIXELS);
                let mean = mean_of_a_loop(&mut control, scale, power);
                assert!((mean / wanted - 1.0).abs() < 0.1, "{mean} for {bps} at {scale} and {power}");
            }
        }
    }

    #[test]
    fn a_new_rate_is_followed() {
        let mut control = QualityControl::new(1_500_000, 30, PIXELS);
        mean_of_a_loop(&mut control, 12_000.0, 0.8);
        control.set_rate(500_000, 30);
        let mean = mean_of_a_loop(&mut control, 12_000.0, 0.8);
        assert!((mean / 500_000.0 - 1.0).abs() < 0.1, "{mean}");
    }

    #[test]
    fn rates_out_of_reach_end_at_the_limits_and_are_left_at_once() {
        let mut control = QualityControl::new(1, 30, PIXELS);
        mean_of_a_loop(&mut control, 12_000.0, 1.0);
        assert!((control.quality() - 5.0).abs() < 0.01);
        let mut control = QualityControl::new(100_000_000, 30, PIXELS);
        mean_of_a_loop(&mut control, 12_000.0, 1.0);
        assert!((control.quality() - 90.0).abs() < 0.01);
        control.set_rate(800_000, 30);
        assert!(control.quality() < 50.0);
    }

    #[test]
    fn effort_and_quality_are_libwebps() {
        for (effort, expected) in [(0.2, 30.0), (0.4, 60.0), (0.5, 75.0), (0.8, 90.0), (0.0, 5.0)] {
            assert!((quality(effort) - expected).abs() < 1e-9, "{effort}");
        }
    }
}
