//! Refresh (RFC 8656 section 8): longer, or over.

use std::time::Instant;

use super::super::Core;
use super::super::answers::{Asker, Refusal};
use super::super::types::Family;
use super::Outcome;
use super::allocate::seconds;
use crate::auth::User;
use crate::stun::Message;
use crate::stun::attributes::{LIFETIME, REQUESTED_ADDRESS_FAMILY};

impl Core {
    /// REQUESTED-ADDRESS-FAMILY with LIFETIME 0 ends the address of that family only. Two addresses never end at
    /// different times by themselves: any other lifetime is for both.
    pub(super) fn refresh(&mut self, now: Instant, asker: &Asker, user: &User, message: &Message<'_>) -> Outcome {
        let relay = self.own_allocation(asker, user)?;
        let family = match message.find(REQUESTED_ADDRESS_FAMILY) {
            Some(value) => {
                let allocation = self.allocations.get(relay).ok_or(Refusal::AllocationMismatch)?;
                let family = Family::from_value(value).filter(|family| allocation.address(*family).is_some());
                Some(family.ok_or(Refusal::PeerFamilyMismatch)?)
            }
            None => None,
        };
        let asked = message.number(LIFETIME);
        if asked == Some(0) {
            match family {
                Some(family) => self.end_address(now, relay, family),
                None => self.end_allocation(now, relay, "client is done"),
            }
            return Ok(Some(asker.success().number(LIFETIME, 0)));
        }
        let lifetime = self.granted_lifetime(asked);
        self.allocations.extend(relay, now + lifetime);
        if let (Some(seal), Some(allocation)) = (&asker.seal, self.allocations.get_mut(relay)) {
            // The client may have gone on under a newer name: what it proves with that counts from now on.
            allocation.key = Some(seal.key.clone());
        }
        Ok(Some(asker.success().number(LIFETIME, seconds(lifetime))))
    }
}
