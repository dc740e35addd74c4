//! What must be true of a relay after every step, and after its end.

use std::time::{Duration, Instant};

use super::cast::{FILLERS, MAX_ALLOCATIONS, MAX_ALLOCATIONS_EACH, worker_of};
use super::hands::Mood;
use super::script::{Kind, Step};
use super::stage::{Cause, Stage};
use crate::stun::Method;

/// After this, everything has expired.
const LONG: Duration = Duration::from_secs(30 * 24 * 3600);

impl Stage {
    /// What must be true between any two steps.
    pub(super) fn check_books(&mut self) {
        for (worker, core) in self.cores.iter_mut().enumerate() {
            assert_eq!(core.poll_output(), None, "an output that nothing caused");
            let tenants = self.model.tenants.values().filter(|tenant| tenant.worker == worker);
            let expiries: Vec<Instant> = tenants.map(|tenant| tenant.expires).collect();
            let live = self.counters[worker].totals().live_allocations;
            assert_eq!(usize::try_from(live), Ok(expiries.len()), "live allocations of worker {worker}");
            let first = expiries.into_iter().min();
            let next = core.poll_timeout();
            assert!(first.is_none_or(|first| next.is_some_and(|next| next <= first)), "nobody wakes for an expiry");
        }
        for (number, client) in self.cast.clients.iter().enumerate() {
            let has = self.cores[worker_of(number)].has_allocation(*client);
            assert_eq!(has, self.model.tenants.contains_key(&number), "the allocation of client {number}");
        }
        for tenant in self.model.tenants.values() {
            for place in &tenant.places {
                let socket = self.hands.open.get(&(tenant.worker, place.relay));
                assert_eq!(socket, Some(&place.local), "an allocation without its socket");
            }
            assert!(self.model.held_by(tenant.user) <= MAX_ALLOCATIONS_EACH, "{} has too many", tenant.user);
        }
        assert!(self.hands.open.len() + self.hands.parked.len() <= MAX_ALLOCATIONS, "more sockets than allowed");
    }

    /// The relay stops; nothing may be left of what there was.
    pub(super) fn end(&mut self) {
        if self.cast.options.settles_first() {
            self.settle_all();
        }
        for worker in 0..self.cores.len() {
            self.model.abandon(|client| worker_of(client) == worker);
            self.cores[worker].end_all(self.now.mono);
            self.outputs(worker, Cause::End);
        }
        self.settle_all();
        while !self.mail.is_empty() {
            self.open_mail();
        }
        self.pass(LONG);
        self.time_out();
        self.check_books();
        assert!(self.model.tenants.is_empty(), "allocations outlive their relay");
        assert!(self.hands.open.is_empty() && self.hands.parked.is_empty(), "sockets outlive their relay");
        assert!(self.cores.iter().all(|core| core.poll_timeout().is_none()), "a relay that stopped waits");
        #[cfg(test)]
        assert!(self.ledger.is_empty(), "the ledger still holds something: {:?}", self.ledger);
    }

    /// Where nothing was left behind, two users can have every allocation that the limits give them.
    pub(super) fn fill(&mut self) {
        self.ledger.set_draining(false);
        self.hands.mood = Mood::Prompt;
        for client in FILLERS {
            self.request(&Step::plain(Kind::Request(Method::Allocate), client), Method::Allocate);
            assert!(self.model.tenants.contains_key(&client), "client {client} finds no room in an empty relay");
        }
        self.check_books();
    }
}
