//! The E-model of ITU-T G.107, reduced to what packets tell: delay and loss.

/// An estimate of the mean opinion score, 1 (bad) to 4.5 (as good as it gets), of speech over a path.
///
/// `one_way_ms` is the delay from mouth to ear in milliseconds, `loss_percent` the share of packets that were not heard,
/// 0 to 100; values below zero or that are no numbers count as zero. R = 93.2 - Id - Ie,eff with
/// Id = 0.024 d + 0.11 (d - 177.3) for d > 177.3, and Ie,eff = 95 Ppl / (Ppl + Bpl) for random loss, an equipment
/// impairment of zero and a robustness (Bpl) of 10, which suits Opus. G.107 annex B turns R into the score.
pub fn mos_estimate(one_way_ms: f64, loss_percent: f64) -> f64 {
    let delay = one_way_ms.max(0.0);
    let loss = loss_percent.clamp(0.0, 100.0).max(0.0);
    let delay_impairment = 0.024 * delay + 0.11 * (delay - NOTICED_MS).max(0.0);
    let loss_impairment = 95.0 * loss / (loss + ROBUSTNESS);
    let rating = (BEST_RATING - delay_impairment - loss_impairment).clamp(0.0, 100.0);
    let score = 1.0 + 0.035 * rating + rating * (rating - 60.0) * (100.0 - rating) * 7e-6;
    // The polynomial dips below its lowest score for the very worst ratings.
    score.clamp(1.0, 4.5)
}

const BEST_RATING: f64 = 93.2;
/// From here on, in milliseconds, people begin to talk over each other.
const NOTICED_MS: f64 = 177.3;
const ROBUSTNESS: f64 = 10.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 5e-5, "{found} instead of {expected}");
    }

    #[test]
    fn known_paths_have_their_scores() {
        near(mos_estimate(0.0, 0.0), 4.409_29);
        near(mos_estimate(100.0, 1.0), 4.103_09);
        near(mos_estimate(277.3, 0.0), 3.845_10);
        near(mos_estimate(50.0, 5.0), 3.117_25);
        near(mos_estimate(5000.0, 100.0), 1.0);
    }

    #[test]
    fn more_delay_and_more_loss_never_make_it_better() {
        for step in 0..200 {
            let (less, more) = (f64::from(step), f64::from(step + 1));
            for other in [0.0, 1.0, 10.0, 50.0, 100.0] {
                assert!(mos_estimate(less * 10.0, other) >= mos_estimate(more * 10.0, other), "{less} ms, {other} %");
                assert!(
                    mos_estimate(other * 10.0, less / 2.0) >= mos_estimate(other * 10.0, more / 2.0),
                    "{less} / 2 %"
                );
            }
        }
    }

    #[test]
    fn nonsense_counts_as_nothing() {
        near(mos_estimate(-50.0, -3.0), mos_estimate(0.0, 0.0));
        near(mos_estimate(f64::NAN, f64::NAN), mos_estimate(0.0, 0.0));
    }
}
