//! CreatePermission and ChannelBind (RFC 8656 sections 10 and 12): which peers, and by which number.

use std::net::IpAddr;
use std::time::Instant;

use super::super::Core;
use super::super::answers::{Asker, Refusal};
use super::super::channels::BindFailure;
use super::super::permissions::Rights;
use super::super::types::{Family, RelayId};
use super::Outcome;
use crate::auth::User;
use crate::policy;
use crate::stun::attributes::{CHANNEL_NUMBER, XOR_PEER_ADDRESS, decode_xor_address};
use crate::stun::{ChannelNumber, Message};

impl Core {
    /// Installs every peer of the request, or none. Ports do not count (RFC 8656 section 10.2).
    pub(super) fn create_permission(
        &mut self,
        now: Instant,
        asker: &Asker,
        user: &User,
        message: &Message<'_>,
    ) -> Outcome {
        let relay = self.own_allocation(asker, user)?;
        let mut peers = Vec::new();
        for attribute in message.attributes() {
            if attribute.kind == XOR_PEER_ADDRESS {
                let peer = decode_xor_address(attribute.value, message.transaction())
                    .ok_or(Refusal::BadRequest("XOR-PEER-ADDRESS is malformed"))?;
                peers.push((peer.ip(), self.admit(relay, peer.ip())?));
            }
        }
        if peers.is_empty() {
            return Err(Refusal::BadRequest("XOR-PEER-ADDRESS missing"));
        }
        self.install(now, relay, &peers)?;
        Ok(Some(asker.success()))
    }

    /// Binds or renews a channel, and its peer's permission with it. A channel has one peer for good: where only our
    /// own allocations may be reached, one of them has to be there when the channel is bound. It may be gone when the
    /// channel is renewed, so that one peer's end does not break what its client does by rote.
    pub(super) fn channel_bind(&mut self, now: Instant, asker: &Asker, user: &User, message: &Message<'_>) -> Outcome {
        let relay = self.own_allocation(asker, user)?;
        let number = message
            .number(CHANNEL_NUMBER)
            .and_then(|value| u16::try_from(value >> 16).ok())
            .and_then(ChannelNumber::new)
            .ok_or(Refusal::BadRequest("CHANNEL-NUMBER is 0x4000 to 0x7FFF"))?;
        let peer = message
            .xor_address(XOR_PEER_ADDRESS)
            .filter(|peer| peer.port() != 0)
            .ok_or(Refusal::BadRequest("XOR-PEER-ADDRESS missing"))?;
        let rights = self.admit(relay, peer.ip())?;
        let max = self.config.limits.channels_per_allocation;
        let allocation = self.allocations.get_mut(relay).ok_or(Refusal::AllocationMismatch)?;
        let is_renewal = allocation.channels.peer(number, now) == Some(peer);
        if rights.inside_only && !is_renewal && !self.ledger.is_live(peer) {
            return Err(Refusal::Forbidden);
        }
        allocation.channels.check(number, peer, max, now).map_err(|failure| match failure {
            BindFailure::NumberTaken => Refusal::BadRequest("channel belongs to another peer"),
            BindFailure::PeerTaken => Refusal::BadRequest("peer has another channel"),
            BindFailure::Full => Refusal::InsufficientCapacity,
        })?;
        self.install(now, relay, &[(peer.ip(), rights)])?;
        if let Some(allocation) = self.allocations.get_mut(relay) {
            allocation.channels.bind(number, peer, now + self.config.lifetimes.channel);
        }
        Ok(Some(asker.success()))
    }

    /// Judges the IP address of one peer.
    ///
    /// Our own addresses count as refused, even public ones: nobody shall reach this machine's other services
    /// through us, from an address that they may trust. They are admitted all the same, for what stays inside: each
    /// packet goes only to a live allocation. Whether there is one now is not asked, because a client makes one
    /// permission for all candidates of a peer, with the port of the first one, and will not ask again after a 403.
    fn admit(&self, relay: RelayId, ip: IpAddr) -> Result<Rights, Refusal> {
        let allocation = self.allocations.get(relay).ok_or(Refusal::AllocationMismatch)?;
        if allocation.address(Family::of(ip)).is_none() {
            return Err(Refusal::PeerFamilyMismatch);
        }
        let own = self.ledger.own(ip);
        let is_ours = |ip: IpAddr| self.ledger.own(ip).is_some();
        let is_protected = policy::spellings(ip).any(|ip| is_ours(ip) && !self.policy.opened(ip));
        let inside_only = is_protected || !self.policy.allows(ip);
        if inside_only && own.is_none() {
            return Err(Refusal::Forbidden);
        }
        Ok(Rights { own, inside_only })
    }

    fn install(&mut self, now: Instant, relay: RelayId, peers: &[(IpAddr, Rights)]) -> Result<(), Refusal> {
        let max = self.config.limits.permissions_per_allocation;
        let expires = now + self.config.lifetimes.permission;
        let permissions = self
            .allocations
            .get_mut(relay)
            .map(|allocation| &mut allocation.permissions)
            .ok_or(Refusal::AllocationMismatch)?;
        if !permissions.have_room(peers.iter().map(|(ip, _)| *ip), max, now) {
            return Err(Refusal::InsufficientCapacity);
        }
        for (ip, rights) in peers {
            permissions.install(*ip, expires, *rights);
        }
        Ok(())
    }
}
