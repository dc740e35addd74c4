//! Who asks: long-term credentials (RFC 8489 section 9.2.4), and how often they may be guessed.

use super::super::Core;
use super::super::allocations::Allocation;
use super::super::answers::{Asker, Refusal, Seal};
use super::super::limiter::Kind;
use super::super::nonces::Freshness;
use super::super::types::{ClientAddr, Now};
use crate::auth::{Identity, User};
use crate::stun::attributes::{NONCE, REALM, USERNAME};
use crate::stun::{Message, Method};

/// What becomes of a request when nobody has proved himself by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Denial {
    /// It is refused.
    Refused(Refusal),
    /// It is refused as long as its source has no more answers than strangers get.
    Stranger(Refusal),
    /// It gets no answer.
    Ignored,
}

/// Why nobody is logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    /// The signature is nobody's who may ask for this.
    Wrong,
    /// This source has failed too often to be told.
    TooOften,
}

impl Core {
    /// Finds out who has signed a request. The key is made from our own realm, whatever realm the client names.
    ///
    /// The nonce is looked at before the password: that is the order of RFC 5389 section 10.2.2, where RFC 8489
    /// section 9.2.4 has them the other way round. A nonce of ours proves that the sender gets what is sent to his
    /// address. Were passwords checked without one, strangers under false addresses could spend our time on
    /// signatures, and the logins of those whose addresses they use. Only an expired nonce of ours comes after the
    /// password: a client of old goes on with a new one, and is not counted as a stranger for that.
    ///
    /// Failed logins are counted by source, those with an expired nonce apart, since whoever had the address before
    /// may have kept it. When there were too many, nothing is checked any more, but for the client that has an
    /// allocation: others who share its source do not stop it.
    pub(super) fn authenticate(&self, now: Now, asker: &Asker, message: &Message<'_>) -> Result<(User, Seal), Denial> {
        let kind = message.integrity().ok_or(Denial::Stranger(Refusal::Unauthorized))?;
        let (Some(name), Some(_), Some(nonce)) = (message.text(USERNAME), message.find(REALM), message.find(NONCE))
        else {
            return Err(Denial::Stranger(Refusal::BadRequest("USERNAME, REALM or NONCE missing")));
        };
        match self.nonces.judge(nonce, now.mono, asker.client.remote) {
            Freshness::Fresh => match self.log_in(now, asker, message, name, Kind::Logins) {
                Ok(identity) => Ok((identity.user, Seal { key: identity.key, kind })),
                Err(Failure::Wrong) => Err(Denial::Refused(Refusal::Unauthorized)),
                Err(Failure::TooOften) => Err(Denial::Ignored),
            },
            Freshness::Expired => match self.log_in(now, asker, message, name, Kind::StaleLogins) {
                Ok(_) => Err(Denial::Refused(Refusal::StaleNonce)),
                Err(Failure::Wrong | Failure::TooOften) => Err(Denial::Stranger(Refusal::StaleNonce)),
            },
            Freshness::Foreign => Err(Denial::Stranger(Refusal::StaleNonce)),
        }
    }

    /// Checks the signature, unless its source has failed too often; `tries` is where a failure is counted.
    fn log_in(
        &self,
        now: Now,
        asker: &Asker,
        message: &Message<'_>,
        name: &str,
        tries: Kind,
    ) -> Result<Identity, Failure> {
        if let Some(identity) = self.known_by_its_key(asker, message) {
            return Ok(identity);
        }
        let ip = asker.client.remote.ip();
        let owner = self.allocation_of(asker.client).map(|allocation| &allocation.user);
        let may_try = self.ledger.sources.has_room(now.mono, ip, tries);
        if !may_try && owner.is_none() {
            return Err(Failure::TooOften);
        }
        let identity = self.ledger.credentials().identify(message, name, &self.config.realm, now.unix);
        match identity.filter(|identity| !identity.is_expired || self.has_started(asker, &identity.user)) {
            Some(identity) if may_try || owner == Some(&identity.user) => Ok(identity),
            // Who has an allocation guesses other users' passwords no faster than anybody else.
            Some(_) => Err(Failure::TooOften),
            None if self.ledger.sources.admits(now.mono, ip, tries) => Err(Failure::Wrong),
            None => Err(Failure::TooOften),
        }
    }

    /// Whoever signs as its allocation was signed for goes on, also after the end of a name's time, and after users or
    /// secrets were exchanged.
    fn known_by_its_key(&self, asker: &Asker, message: &Message<'_>) -> Option<Identity> {
        let allocation = self.allocation_of(asker.client)?;
        let key = allocation.key.as_ref().filter(|key| message.verify(key))?;
        Some(Identity { user: allocation.user.clone(), key: key.clone(), is_expired: false })
    }

    /// True for a request about what its user has started already. It may go on under a name whose time is over, which
    /// says until when the name may start something; coturn, too, looks at the time only then. So a call lasts as
    /// long as it lasts, even where the client has no way to get a newer name.
    fn has_started(&self, asker: &Asker, user: &User) -> bool {
        let allocation = self.allocation_of(asker.client).filter(|allocation| allocation.user == *user);
        match asker.method {
            Method::Allocate => {
                allocation.is_some_and(|allocation| allocation.request == asker.transaction)
                    || self.openings.is_repeated(asker.client, user, asker.transaction)
            }
            Method::Refresh | Method::CreatePermission | Method::ChannelBind => allocation.is_some(),
            Method::Binding | Method::Send | Method::Data => false,
        }
    }

    fn allocation_of(&self, client: ClientAddr) -> Option<&Allocation> {
        self.allocations.get(self.allocations.of_client(client)?)
    }
}
