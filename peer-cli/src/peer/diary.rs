//! What a peer has reached and when.

use std::time::Instant;

use tokio::sync::mpsc;

use super::{Milestone, News};
use crate::clock::millis;
use crate::report::PhaseStamp;

/// What was reached when, for the report and for whoever listens.
pub(super) struct Diary {
    pub(super) name: String,
    pub(super) start: Instant,
    pub(super) news: mpsc::Sender<News>,
    pub(super) phases: Vec<PhaseStamp>,
}

impl Diary {
    pub(super) fn reached(&mut self, milestone: Milestone, at: Instant) {
        let at = at.saturating_duration_since(self.start);
        self.phases.push(PhaseStamp { phase: milestone.name().to_owned(), at_ms: millis(at) });
        self.tell(News::Reached { peer: self.name.clone(), milestone, at });
    }

    /// Whoever listens too slowly misses news; the report has them all.
    pub(super) fn tell(&self, news: News) {
        if self.news.try_send(news).is_err() {
            tracing::debug!("nobody takes the news of this run");
        }
    }
}
