//! Congestion control of what we send: transport-wide feedback of the far end in, a target bitrate out.
//!
//! The algorithm is the stack's (Google Congestion Control); here it is put into the chain and its estimate published.
//! Retransmissions pass the pacer like everything else. They carry no transport-wide number, because the stack binds
//! the primary stream alone, so the estimate does not count them.

use std::{sync::Arc, time::Instant};

use rtc::interceptor::{
    BandwidthEstimator, CongestionControlBuilder, EstimatorStats, GCC_MIN_BITRATE, Gcc, PacerBuilder, PacketReport,
    Registry, Slot, TwccSenderBuilder,
};

use super::link::Link;

/// The most that is ever asked of an encoder here, in bit/s.
const MAX_BITRATE: f64 = 20_000_000.0;

/// How much faster than the target packets may leave. A key frame is many times the size of the others: paced at the
/// target itself it would arrive a good part of a second late, and the delay would be of our own making.
const PACING: f64 = 2.5;

/// Puts the controller, the numbering of packets and the pacer into the chain. The recorder of arrivals, which serves
/// the far end's controller, is there already. `start` is in bit/s.
pub(super) fn control(registry: Registry, start: u64, link: &Arc<Link>) -> Registry {
    let estimator = Published::new(Gcc::new(start as f64, GCC_MIN_BITRATE, MAX_BITRATE), Arc::clone(link));
    let pace = estimator.target_bitrate();
    registry
        .with(Slot::CongestionControl, CongestionControlBuilder::new(estimator).build())
        .with(Slot::TwccSender, TwccSenderBuilder::new().build())
        .with(Slot::Pacer, PacerBuilder::new().with_target_bitrate(pace).build())
}

/// An estimator whose target can be read from outside the chain.
struct Published<E> {
    inner: E,
    link: Arc<Link>,
}

impl<E: BandwidthEstimator> Published<E> {
    fn new(inner: E, link: Arc<Link>) -> Self {
        link.set_target(inner.target_bitrate());
        Self { inner, link }
    }

    fn publish(&self) {
        self.link.set_target(self.inner.target_bitrate());
    }
}

impl<E: BandwidthEstimator> BandwidthEstimator for Published<E> {
    fn on_reports(&mut self, now: Instant, reports: &[PacketReport]) {
        self.inner.on_reports(now, reports);
        self.publish();
    }

    /// The only reader is the pacer.
    fn target_bitrate(&self) -> f64 {
        self.inner.target_bitrate() * PACING
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.inner.handle_timeout(now);
        self.publish();
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.inner.poll_timeout()
    }

    fn stats(&self) -> EstimatorStats {
        self.inner.stats()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says how many reports it was given, in bit/s.
    struct Counting(f64);

    impl BandwidthEstimator for Counting {
        fn on_reports(&mut self, _: Instant, reports: &[PacketReport]) {
            self.0 += reports.len() as f64 + 1.0;
        }

        fn target_bitrate(&self) -> f64 {
            self.0
        }
    }

    #[test]
    fn the_target_is_published_and_the_pacer_is_given_headroom() {
        let link = Arc::new(Link::default());
        let mut estimator = Published::new(Counting(1000.0), Arc::clone(&link));
        assert_eq!(link.stats().target_bps, Some(1000));
        estimator.on_reports(tokio::time::Instant::now().into_std(), &[]);
        assert_eq!(link.stats().target_bps, Some(1001));
        assert_eq!(estimator.target_bitrate(), 2502.5);
    }
}
