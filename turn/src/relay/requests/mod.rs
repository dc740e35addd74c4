//! Requests: who asks, and then one file for each thing they can ask for.

mod allocate;
mod binding;
mod login;
mod openings;
mod peers;
mod places;
mod refresh;
mod wish;

use tracing::trace;

pub(super) use binding::Discovery;
pub(super) use openings::Openings;

use super::Core;
use super::answers::{Asker, Refusal};
use super::types::{ClientAddr, Now, RelayId};
use crate::auth::User;
use crate::stun::{Message, MessageBuilder, Method};
use login::Denial;

/// An answer, none for now, or a refusal.
type Outcome = Result<Option<MessageBuilder>, Refusal>;

impl Core {
    pub(super) fn request(&mut self, now: Now, from: ClientAddr, message: &Message<'_>) {
        self.counters.request();
        if message.fingerprint() == Some(false) {
            trace!("ignored a request with a wrong checksum");
            return;
        }
        // Nothing below has to ask whether what it finds has expired.
        self.handle_timeout(now.mono);
        let mut asker = Asker::new(from, message);
        let outcome = match message.method() {
            Method::Binding => {
                if !self.admits_stranger(now.mono, &asker) {
                    return;
                }
                self.binding(now.mono, &mut asker, message)
            }
            Method::Allocate | Method::Refresh | Method::CreatePermission | Method::ChannelBind => {
                match self.authenticate(now, &asker, message) {
                    Ok((user, seal)) => {
                        asker.seal = Some(seal);
                        self.authenticated(now, &asker, user, message)
                    }
                    Err(Denial::Refused(refusal)) => Err(refusal),
                    Err(Denial::Stranger(refusal)) => {
                        if !self.admits_stranger(now.mono, &asker) {
                            return;
                        }
                        Err(refusal)
                    }
                    Err(Denial::Ignored) => {
                        self.counters.unanswered();
                        return;
                    }
                }
            }
            Method::Send | Method::Data => return,
        };
        match outcome {
            Ok(Some(answer)) => self.reply(&asker, answer),
            Ok(None) => {}
            Err(refusal) => self.refuse(now.mono, &asker, &refusal),
        }
    }

    fn authenticated(&mut self, now: Now, asker: &Asker, user: User, message: &Message<'_>) -> Outcome {
        understood(message)?;
        match message.method() {
            Method::Allocate => self.allocate(now.mono, asker, user, message),
            Method::Refresh => self.refresh(now.mono, asker, &user, message),
            Method::CreatePermission => self.create_permission(now.mono, asker, &user, message),
            Method::ChannelBind => self.channel_bind(now.mono, asker, &user, message),
            Method::Binding | Method::Send | Method::Data => Ok(None),
        }
    }

    /// The asker's allocation, if it is this user's.
    fn own_allocation(&self, asker: &Asker, user: &User) -> Result<RelayId, Refusal> {
        let relay = self.allocations.of_client(asker.client).ok_or(Refusal::AllocationMismatch)?;
        let is_owner = self.allocations.get(relay).is_some_and(|allocation| allocation.user == *user);
        if is_owner { Ok(relay) } else { Err(Refusal::WrongCredentials) }
    }
}

fn understood(message: &Message<'_>) -> Result<(), Refusal> {
    let unknown = message.unknown_attributes();
    if unknown.is_empty() { Ok(()) } else { Err(Refusal::UnknownAttributes(unknown)) }
}
