//! Starting the peers together and ending them together.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::call::{EndReason, Phase};
use crate::peer::{self, Milestone, News, Outcome, Setup};
use crate::record::RecordError;
use crate::verdict::End;

/// News that may wait to be shown.
const NEWS: usize = 1024;
/// How long the second peer may take to notice that the first one's call is over.
const AFTERGLOW: Duration = Duration::from_secs(2);

/// Runs the peers; hangs up when media has flowed for `duration` on all of them, when the time limit is over, when
/// somebody says stop, or soon after one of them has ended by itself.
pub(super) async fn conduct(
    setups: Vec<Setup>,
    duration: Option<Duration>,
    limit: Option<Duration>,
    mut stop: watch::Receiver<bool>,
    mut show: impl FnMut(&News),
) -> Result<Vec<Outcome>, RecordError> {
    let (hang_up, hung_up) = watch::channel(false);
    let (news_sender, mut news) = mpsc::channel(NEWS);
    let names: Vec<_> = setups.iter().map(|setup| setup.name.clone()).collect();
    let count = setups.len();
    let mut tasks = JoinSet::new();
    for (place, setup) in setups.into_iter().enumerate() {
        let (news, hang_up) = (news_sender.clone(), hung_up.clone());
        tasks.spawn(async move { (place, peer::run(setup, news, hang_up).await) });
    }
    drop(news_sender);
    let far = Duration::from_secs(365 * 24 * 3600);
    let end = tokio::time::sleep(far);
    let limit = tokio::time::sleep(limit.unwrap_or(far));
    tokio::pin!(end, limit);
    let (mut arrivals, mut timed_out, mut stoppable) = (Arrivals::of(count), false, true);
    let mut outcomes: Vec<Option<Outcome>> = (0..count).map(|_| None).collect();
    loop {
        tokio::select! {
            Some(item) = news.recv() => {
                show(&item);
                // Once one of them is over, it is the afterglow that runs.
                let all_go_on = outcomes.iter().all(Option::is_none);
                if let Some(duration) = duration.filter(|_| all_go_on && arrivals.complete(&item)) {
                    end.as_mut().reset(tokio::time::Instant::now() + duration);
                }
            }
            Some(done) = tasks.join_next() => {
                match done {
                    Ok((place, outcome)) => outcomes[place] = Some(outcome?),
                    Err(error) => tracing::error!(%error, "a peer's task broke"),
                }
                if tasks.is_empty() {
                    break;
                }
                end.as_mut().reset(tokio::time::Instant::now() + AFTERGLOW);
            }
            () = &mut end, if !*hang_up.borrow() => { hang_up.send_replace(true); }
            () = &mut limit, if !*hang_up.borrow() => {
                timed_out = true;
                hang_up.send_replace(true);
            }
            () = peer::told(&mut stop), if stoppable => {
                stoppable = false;
                hang_up.send_replace(true);
            }
        }
    }
    while let Ok(item) = news.try_recv() {
        show(&item);
    }
    let broken = |name| Outcome::broken(name, "its task broke; this is a fault of peer-cli");
    let outcomes = outcomes.into_iter().zip(names).map(|(outcome, name)| outcome.unwrap_or_else(|| broken(name)));
    Ok(outcomes.map(|outcome| if timed_out { mark_timed_out(outcome) } else { outcome }).collect())
}

/// Which peers have come as far as media, by name: a connection that heals in mid-call is told again.
#[derive(Debug)]
struct Arrivals {
    expected: usize,
    come: BTreeSet<String>,
}

impl Arrivals {
    fn of(expected: usize) -> Self {
        Self { expected, come: BTreeSet::new() }
    }

    /// Whether these news complete the number; once.
    fn complete(&mut self, news: &News) -> bool {
        match news {
            News::Reached { peer, milestone: Milestone::Call(Phase::Connected), .. } => {
                self.come.insert(peer.clone()) && self.come.len() == self.expected
            }
            News::Reached { .. } | News::Status { .. } => false,
        }
    }
}

fn mark_timed_out(mut outcome: Outcome) -> Outcome {
    let after = outcome.phases.iter().rev().map(|stamp| stamp.phase.clone()).find(|name| name != "hung-up");
    // Who had an end of its own before the time was over keeps it.
    if outcome.end == End::Call(EndReason::HungUp) {
        outcome.end = End::TimedOut { after: after.unwrap_or_else(|| "nothing".to_owned()) };
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reached(peer: &str, phase: Phase) -> News {
        News::Reached { peer: peer.to_owned(), milestone: Milestone::Call(phase), at: Duration::ZERO }
    }

    #[test]
    fn a_peer_whose_connection_heals_does_not_count_for_the_one_that_never_came() {
        let mut arrivals = Arrivals::of(2);
        assert!(!arrivals.complete(&reached("alice", Phase::Connected)));
        assert!(!arrivals.complete(&reached("alice", Phase::Interrupted)));
        assert!(!arrivals.complete(&reached("alice", Phase::Connected)), "alice again");
        assert!(!arrivals.complete(&reached("bob", Phase::IceConnected)));
        assert!(arrivals.complete(&reached("bob", Phase::Connected)));
        assert!(!arrivals.complete(&reached("bob", Phase::Connected)), "all have come once");
    }
}
