//! What the cores want of their hands.

use super::hands::{How, Pending, Want};
use super::model::Opening;
use super::stage::{Cause, Stage, Verdict};
use crate::relay::{Output, RelayId};

impl Stage {
    /// Drains a core, and does what it wants. Returns the answer to the cause, if there is one.
    pub(super) fn outputs(&mut self, worker: usize, cause: Cause<'_>) -> Option<Verdict> {
        let core = &mut self.cores[worker];
        let outputs: Vec<Output> = std::iter::from_fn(|| core.poll_output()).collect();
        let mut verdict = None;
        let mut wanted = Vec::new();
        for output in outputs {
            match output {
                Output::Send { to, bytes } => {
                    assert!(verdict.is_none(), "two answers to one request");
                    verdict = Some(self.judge_answer(worker, cause, to, &bytes));
                }
                Output::OpenRelaySocket { relay, bind, towards: _, port } => {
                    wanted.push((relay, Want::Open { bind, port }));
                }
                Output::AdoptRelaySocket { relay, token } => wanted.push((relay, self.unpark(cause, token))),
                Output::DropReserved { token } => {
                    let was_kept = self.hands.parked.remove(&token).is_some();
                    // Where a pair could not be had, the core does not ask whether its second half was.
                    let never_came = matches!(cause, Cause::Opening { .. });
                    assert!(was_kept || never_came, "no socket is kept under {token:?}");
                }
                Output::CloseRelaySocket { relay } => self.close(worker, relay, cause),
            }
        }
        if !wanted.is_empty() {
            self.open(worker, cause, wanted);
        }
        verdict
    }

    fn unpark(&mut self, cause: Cause<'_>, token: [u8; 8]) -> Want {
        let parked = self.hands.parked.remove(&token);
        let parked = parked.unwrap_or_else(|| panic!("no socket is kept under {token:?}"));
        let Cause::Request(asked) = cause else {
            panic!("nobody asked for a reserved socket");
        };
        assert_eq!(asked.user, Some(parked.user), "a reserved socket goes to somebody else");
        assert!(parked.expires > self.now.mono, "a reserved socket is adopted too late");
        Want::Adopt { local: parked.local }
    }

    fn open(&mut self, worker: usize, cause: Cause<'_>, wanted: Vec<(RelayId, Want)>) {
        let Cause::Request(asked) = cause else {
            panic!("nobody asked for a socket");
        };
        let adopts = wanted.iter().any(|(_, want)| matches!(want, Want::Adopt { .. }));
        assert!(asked.user.is_some(), "a stranger gets a socket");
        assert!(adopts || !self.ledger.is_draining(), "a new allocation while the relay drains");
        assert!(!self.model.tenants.contains_key(&asked.client), "a second allocation for one client");
        assert!(wanted.len() <= if adopts { 1 } else { 2 }, "too many sockets for one allocation");
        let id = self.model.opened;
        self.model.opened += 1;
        let relays: Vec<RelayId> = wanted.iter().map(|(relay, _)| *relay).collect();
        let token = wanted.iter().find_map(|(_, want)| want.token());
        let (asked, left) = (asked.clone(), relays.len());
        self.model.openings.insert(id, Opening { asked, relays, left, adopts, token, abandoned: false });
        for (number, (relay, want)) in wanted.into_iter().enumerate() {
            assert!(self.hands.meet(worker, relay), "{relay:?} stands for two sockets");
            let pending = Pending { worker, relay, want, opening: id };
            match self.hands.mood.how(number) {
                Some(how) => self.settle(&pending, how),
                None => self.hands.pending.push(pending),
            }
        }
    }

    /// Tells the core what became of a socket.
    pub(super) fn settle(&mut self, pending: &Pending, how: How) {
        let Pending { worker, relay, opening: id, .. } = *pending;
        let opening = self.model.openings.get_mut(&id).expect("an opening lasts until its last socket is settled");
        opening.left -= 1;
        let is_last = opening.left == 0;
        let is_answered = is_last && !opening.abandoned;
        let asked = opening.asked.clone();
        let user = asked.user.expect("strangers get no sockets");
        let expires = self.now.mono + self.config.lifetimes.reservation;
        match self.hands.carry_out(pending, how, user, expires) {
            Ok(local) => self.cores[worker].allocation_opened(self.now.mono, relay, local),
            Err(failure) => self.cores[worker].allocation_failed(self.now.mono, relay, failure),
        }
        let verdict = self.outputs(worker, Cause::Opening { asked: &asked, id });
        assert_eq!(verdict.is_some(), is_answered, "an answer comes with the last socket, unless the client has left");
        let settled = if is_last { self.model.openings.remove(&id) } else { None };
        for relay in settled.into_iter().flat_map(|opening| opening.relays) {
            let is_used = self.model.tenant_of(worker, relay).is_some();
            assert_eq!(self.hands.open.contains_key(&(worker, relay)), is_used, "{relay:?} open, and used");
        }
    }

    /// Every socket that is still wanted is there now.
    pub(super) fn settle_all(&mut self) {
        while let Some(pending) = self.hands.pending.pop() {
            self.settle(&pending, How::Well);
        }
    }
}
