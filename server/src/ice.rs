//! STUN and TURN servers for clients, with logins that expire: `expiry:name` and its HMAC, as coturn's
//! `use-auth-secret` checks them (draft-uberti-behave-turn-rest-00).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dialtone_wire::bodies::IceServer;
use ring::hmac;

use crate::config::IceConfig;

const DEFAULT_TTL: Duration = Duration::from_secs(12 * 3600);

/// Makes `iceServers`.
#[derive(Debug)]
pub(crate) struct Ice {
    stun: Option<IceServer>,
    turn: Option<Turn>,
}

#[derive(Debug)]
struct Turn {
    urls: Vec<String>,
    key: hmac::Key,
    ttl: u64,
}

impl Ice {
    /// TURN is given out only when there are URLs, a secret and the permission.
    pub(crate) fn new(config: &IceConfig) -> Self {
        let server = |urls: &Vec<String>| IceServer { urls: urls.clone(), username: None, credential: None };
        let stun = (!config.stun_urls.is_empty()).then(|| server(&config.stun_urls));
        let permitted = config.without_login && !config.turn_urls.is_empty();
        let ttl = if config.turn_ttl.is_zero() { DEFAULT_TTL } else { config.turn_ttl };
        let turn = config.turn_secret.as_ref().filter(|_| permitted).map(|secret| Turn {
            urls: config.turn_urls.clone(),
            key: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.reveal().as_bytes()),
            ttl: ttl.as_secs().max(1),
        });
        Self { stun, turn }
    }

    /// The servers for `name` at `unix` seconds; `None` when there are none to tell about.
    pub(crate) fn servers(&self, name: &str, unix: u64) -> Option<Vec<IceServer>> {
        let turn = self.turn.as_ref().map(|turn| {
            let username = format!("{}:{name}", unix.saturating_add(turn.ttl));
            let credential = STANDARD.encode(hmac::sign(&turn.key, username.as_bytes()));
            IceServer { urls: turn.urls.clone(), username: Some(username), credential: Some(credential) }
        });
        let servers: Vec<_> = self.stun.clone().into_iter().chain(turn).collect();
        (!servers.is_empty()).then_some(servers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn config() -> IceConfig {
        IceConfig {
            stun_urls: vec!["stun:stun.example".into()],
            turn_urls: vec!["turn:turn.example".into()],
            turn_secret: Secret::parse("north"),
            turn_ttl: Duration::from_secs(3600),
            without_login: true,
        }
    }

    #[test]
    fn a_login_is_the_time_it_ends_and_its_hmac() {
        let servers = Ice::new(&config()).servers("s1", 1_000_000).unwrap();
        assert_eq!(servers.len(), 2);
        assert_eq!(servers[0].username, None);
        assert_eq!(servers[1].username.as_deref(), Some("1003600:s1"));
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, b"north");
        let tag = STANDARD.decode(servers[1].credential.as_ref().unwrap()).unwrap();
        assert!(hmac::verify(&key, b"1003600:s1", &tag).is_ok());
        assert_eq!(tag.len(), 20);
    }

    #[test]
    fn without_the_permission_only_stun_is_told() {
        let servers = Ice::new(&IceConfig { without_login: false, ..config() }).servers("s1", 0).unwrap();
        assert_eq!(servers.len(), 1);
        assert_eq!(servers[0].urls, ["stun:stun.example"]);
        assert_eq!(Ice::new(&IceConfig::default()).servers("s1", 0), None);
    }
}
