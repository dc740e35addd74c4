//! What a simulation is asked when it has run.

use std::collections::BTreeSet;
use std::fmt;

use dialtone_peer::call::{Call, EndReason, Phase};
use dialtone_wire::SessionId;

use super::{CONNECTS_WITHIN, Pairing, Peer, World};

impl World {
    /// Whether a peer's call is up.
    pub(crate) fn is_connected(&self, peer: usize) -> bool {
        self.peers.get(peer).and_then(|p| p.call.as_ref()).is_some_and(Call::is_connected)
    }

    /// How a peer's call ended.
    pub(crate) fn end(&self, peer: usize) -> Option<&EndReason> {
        self.peers.get(peer)?.ended.as_ref()
    }

    /// How many offers went out.
    pub(crate) fn offers(&self) -> usize {
        self.peers.iter().flat_map(|p| &p.phases).filter(|(_, phase)| *phase == Phase::OfferSent).count()
    }

    /// How many seats are taken, by the rules.
    pub(crate) fn seated(&self) -> usize {
        self.referee.members().len()
    }

    /// Two members who were left alone from READY on had a call.
    pub(crate) fn assert_undisturbed_pairs_had_a_call(&self) {
        for Pairing { at, peers } in &self.pairings {
            let since = at.saturating_duration_since(self.start);
            // A call is one call: who was in one already, and is only about to leave, is no partner for another.
            let fresh = |p: &Peer| !p.phases.iter().any(|(when, phase)| *phase == Phase::Ready && *when < since);
            let left_alone = |p: &Peer| p.disturbed.is_none_or(|disturbed| disturbed > *at + CONNECTS_WITHIN);
            if !peers.iter().map(|at| &self.peers[*at]).all(|p| fresh(p) && left_alone(p)) {
                continue;
            }
            for peer in peers {
                let connected = self.peers[*peer].phases.iter().any(|(_, phase)| *phase == Phase::Connected);
                assert!(connected, "{peers:?} were left alone, and {peer} had no call: {self}");
            }
        }
    }

    /// Every call has ended or is up, and up means at both ends.
    pub(crate) fn assert_nobody_hangs(&self) {
        for (at, peer) in self.peers.iter().enumerate().filter(|(_, p)| !p.gone && p.ended.is_none()) {
            if peer.call.is_none() {
                continue;
            }
            assert!(self.is_connected(at), "peer {at} hangs: {self}");
            let partner = peer.engine.partner().expect("a call that is up has a partner");
            assert!(self.is_connected(partner), "peer {at} talks to {partner}, which is not there: {self}");
        }
    }
}

/// What happened, for failures.
impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}, {:?} since the start", self.seed, self.now.saturating_duration_since(self.start))?;
        let seated: BTreeSet<_> = self.referee.members().iter().map(SessionId::as_str).collect();
        for (at, peer) in self.peers.iter().enumerate() {
            let sids: Vec<_> =
                self.lines.iter().filter(|line| line.peer == at).filter_map(|l| l.sid.as_ref()).collect();
            let sits = sids.iter().any(|sid| seated.contains(sid.as_str()));
            writeln!(f, "peer {at}: seated {sits}, gone {}, ended {:?}, {sids:?}", peer.gone, peer.ended)?;
            writeln!(f, "    {:?}", peer.phases)?;
        }
        Ok(())
    }
}
