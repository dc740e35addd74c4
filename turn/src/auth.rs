//! Who may use the relay: fixed users, and names with an expiry that an application signs with a shared secret.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

use crate::stun::{Key, Message};

/// Stands in for the password of a name that nobody has; proving it proves nothing.
const NO_PASSWORD: &str = "no password at all";

/// What clients can prove. `Debug` shows no password and no secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// Fixed users: name to password.
    pub users: BTreeMap<String, String>,
    /// Shared secrets of time-limited names; several while one replaces another.
    pub secrets: Vec<Secret>,
}

impl Credentials {
    /// True when nobody could ever prove anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.secrets.is_empty()
    }

    /// Finds out whose signature `message` carries, from its `name` and our own `realm`. What a name may still do
    /// whose time is over is for the caller to say.
    ///
    /// A refusal costs the same work whether the name is known, unknown or expired, so that its delay tells nobody
    /// which names there are.
    pub(crate) fn identify(
        &self,
        message: &Message<'_>,
        name: &str,
        realm: &str,
        unix: SystemTime,
    ) -> Option<Identity> {
        let password = self.users.get(name);
        let fixed = Key::long_term(name, realm, password.map_or(NO_PASSWORD, String::as_str));
        let fixed_fits = message.verify(&fixed);
        let timed = self
            .secrets
            .iter()
            .map(|secret| Key::long_term(name, realm, &secret.password(name)))
            .find(|key| message.verify(key));
        // Only now does it count whether the name is one of ours. A fixed user never is a time-limited one.
        if password.is_some() {
            return fixed_fits.then(|| Identity { user: User::new(name), key: fixed, is_expired: false });
        }
        let (expiry, user) = split_timed_name(name)?;
        timed.map(|key| Identity { user: User::new(user), key, is_expired: expiry < seconds(unix) })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("users", &format_args!("{} ***", self.users.len()))
            .field("secrets", &self.secrets)
            .finish()
    }
}

/// A secret shared with the application that hands out names. `Debug` shows `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// `None` when the text is empty or only white space: such a secret protects nothing.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        (!text.trim().is_empty()).then_some(Self(text))
    }

    fn password(&self, name: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.0.as_bytes());
        STANDARD.encode(hmac::sign(&key, name.as_bytes()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Makes a time-limited name and its password, as the relay will accept them until `now + ttl`.
///
/// The name is `expiry:user` with the expiry in seconds since 1970 (only `expiry` for an empty `user`); the password
/// is `base64(HMAC-SHA1(secret, name))`. This is the scheme of "A REST API For Access To TURN Services"
/// (draft-uberti-behave-turn-rest).
#[must_use]
pub fn rest_credentials(secret: &str, user: &str, ttl: Duration, now: SystemTime) -> (String, String) {
    let expiry = seconds(now).saturating_add(ttl.as_secs());
    let name = if user.is_empty() { expiry.to_string() } else { format!("{expiry}:{user}") };
    let password = Secret(secret.to_owned()).password(&name);
    (name, password)
}

/// Whom a signature proves a message to come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) user: User,
    /// What the message is signed with.
    pub(crate) key: Key,
    /// The name was good until some time ago.
    pub(crate) is_expired: bool,
}

/// Whom an allocation belongs to: the fixed user's name, or the part of a time-limited name beside its expiry.
///
/// A client may therefore refresh its allocation with a newer name of the same user, and collecting names does not
/// get it around the limit per user. Only a name that is nothing but an expiry is a user of its own each time: whoever
/// hands out such names cannot tell users apart, and no more can the relay.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct User(Arc<str>);

impl User {
    pub(crate) fn new(name: &str) -> Self {
        Self(Arc::from(name))
    }
}

/// The expiry and the user of `expiry:user`, of `user:expiry` (which coturn takes too, where what stands before the
/// first colon is not a number) or of `expiry` alone. A name without a user stands for itself.
fn split_timed_name(name: &str) -> Option<(u64, &str)> {
    let Some((before, after)) = name.split_once(':') else {
        return number(name).map(|expiry| (expiry, name));
    };
    match number(before) {
        Some(expiry) if after.is_empty() => Some((expiry, name)),
        Some(expiry) => Some((expiry, after)),
        None if before.is_empty() => None,
        None => number(after).map(|expiry| (expiry, before)),
    }
}

/// Digits and nothing else; `parse` alone would accept a leading plus.
fn number(text: &str) -> Option<u64> {
    if text.bytes().all(|digit| digit.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stun::{Class, IntegrityKind, MessageBuilder, Method, TransactionId};

    const REALM: &str = "example.org";

    #[test]
    fn rest_credentials_follow_the_draft() {
        let (name, password) = rest_credentials("north", "alice", Duration::from_secs(3600), at(1_700_000_000));
        assert_eq!(name, "1700003600:alice");
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, b"north");
        let expected = STANDARD.encode(hmac::sign(&key, name.as_bytes()).as_ref());
        assert_eq!(password, expected);
        assert_eq!(rest_credentials("north", "", Duration::ZERO, at(7)).0, "7".to_owned());
    }

    #[test]
    fn fixed_user_is_known_by_password() {
        let credentials =
            Credentials { users: BTreeMap::from([("alice".to_owned(), "pw".to_owned())]), secrets: Vec::new() };
        assert_eq!(who(&credentials, "alice", "pw", 0), Some(User::new("alice")));
        assert_eq!(who(&credentials, "alice", "pw2", 0), None);
        assert_eq!(who(&credentials, "bob", "pw", 0), None);
        assert_eq!(who(&credentials, "bob", NO_PASSWORD, 0), None);
    }

    #[test]
    fn fixed_user_whose_name_looks_timed_needs_its_own_password() {
        let credentials = Credentials {
            users: BTreeMap::from([("99:alice".to_owned(), "pw".to_owned())]),
            secrets: Secret::new("north").into_iter().collect(),
        };
        let signed = Secret::new("north").unwrap().password("99:alice");
        assert_eq!(who(&credentials, "99:alice", &signed, 0), None);
        assert_eq!(who(&credentials, "99:alice", "pw", 0), Some(User::new("99:alice")));
    }

    #[test]
    fn both_secrets_count_while_one_replaces_the_other() {
        let credentials = Credentials {
            users: BTreeMap::new(),
            secrets: ["old", "new"].into_iter().filter_map(Secret::new).collect(),
        };
        for secret in ["old", "new"] {
            let (name, password) = rest_credentials(secret, "alice", Duration::from_secs(60), at(1000));
            let user = Some(User::new("alice"));
            assert_eq!(who(&credentials, &name, &password, 1060), user);
        }
        let (name, password) = rest_credentials("other", "alice", Duration::from_secs(60), at(0));
        assert_eq!(who(&credentials, &name, &password, 0), None);
    }

    #[test]
    fn expired_name_is_still_known_and_said_to_be_expired() {
        let credentials = Credentials { users: BTreeMap::new(), secrets: Secret::new("north").into_iter().collect() };
        let (name, password) = rest_credentials("north", "alice", Duration::from_secs(60), at(1000));
        for (unix, is_expired) in [(1060, false), (1061, true), (9_999_999, true)] {
            let identity = identify(&credentials, &name, &password, unix).unwrap();
            assert_eq!((identity.user, identity.is_expired), (User::new("alice"), is_expired));
        }
        assert_eq!(identify(&credentials, &name, "wrong", 1061), None);
        assert_eq!(identify(&credentials, &name, "wrong", 1060), None);
    }

    #[test]
    fn expiry_stands_on_either_side_of_the_colon() {
        let credentials = Credentials { users: BTreeMap::new(), secrets: Secret::new("north").into_iter().collect() };
        let alice = Some(User::new("alice"));
        for name in ["60:alice", "alice:60"] {
            let password = Secret::new("north").unwrap().password(name);
            assert_eq!(who(&credentials, name, &password, 60), alice, "{name}");
            assert_eq!(who(&credentials, name, &password, 61), None, "{name} has expired");
        }
        assert_eq!(split_timed_name("12:34"), Some((12, "34")), "a number in front is the expiry");
    }

    #[test]
    fn each_name_without_a_user_is_a_user_of_its_own() {
        assert_eq!(split_timed_name("12"), Some((12, "12")));
        assert_eq!(split_timed_name("13"), Some((13, "13")));
        assert_eq!(split_timed_name("12:"), Some((12, "12:")));
    }

    #[test]
    fn names_without_an_expiry_are_nobody() {
        for name in [
            "",
            ":",
            "alice",
            "+12:alice",
            ":alice",
            "-1:alice",
            "1 :alice",
            "alice:",
            "alice:+12",
            "alice:bob:12",
            "alice:12:34",
            ":12",
            "99999999999999999999:alice",
        ] {
            assert_eq!(split_timed_name(name), None, "{name}");
        }
        assert_eq!(split_timed_name("12:a:b"), Some((12, "a:b")));
    }

    #[test]
    fn debug_shows_no_secret() {
        let credentials = Credentials {
            users: BTreeMap::from([("alice".to_owned(), "hush".to_owned())]),
            secrets: Secret::new("quiet").into_iter().collect(),
        };
        let shown = format!("{credentials:?}");
        assert!(!shown.contains("hush") && !shown.contains("quiet"), "{shown}");
        assert_eq!(Secret::new(" \n"), None);
    }

    /// Who may start something.
    fn who(credentials: &Credentials, name: &str, password: &str, unix: u64) -> Option<User> {
        let identity = identify(credentials, name, password, unix);
        identity.filter(|identity| !identity.is_expired).map(|identity| identity.user)
    }

    fn identify(credentials: &Credentials, name: &str, password: &str, unix: u64) -> Option<Identity> {
        let key = Key::long_term(name, REALM, password);
        let bytes = MessageBuilder::new(Class::Request, Method::Allocate, TransactionId([1; 12]))
            .integrity(&key, IntegrityKind::Sha1)
            .finish();
        let message = Message::parse(&bytes).unwrap();
        credentials.identify(&message, name, REALM, at(unix))
    }

    fn at(unix: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(unix)
    }
}
