//! Refresh (RFC 8656 section 8): longer, or over.

use std::time::Instant;

use super::super::Core;
use super::super::allocations::Allocation;
use super::super::answers::{Asker, Refusal};
use super::super::types::Family;
use super::Outcome;
use super::allocate::seconds;
use crate::auth::User;
use crate::stun::Message;
use crate::stun::attributes::{LIFETIME, REQUESTED_ADDRESS_FAMILY};

impl Core {
    pub(super) fn refresh(&mut self, now: Instant, asker: &Asker, user: &User, message: &Message<'_>) -> Outcome {
        let relay = self.own_allocation(asker, user)?;
        if let Some(value) = message.find(REQUESTED_ADDRESS_FAMILY) {
            let family = self.allocations.get(relay).map(Allocation::family);
            if Family::from_value(value) != family {
                return Err(Refusal::PeerFamilyMismatch);
            }
        }
        let asked = message.number(LIFETIME);
        if asked == Some(0) {
            self.end_allocation(now, relay, "client is done");
            return Ok(Some(asker.success().number(LIFETIME, 0)));
        }
        let lifetime = self.granted_lifetime(asked);
        self.allocations.extend(relay, now + lifetime);
        Ok(Some(asker.success().number(LIFETIME, seconds(lifetime))))
    }
}
