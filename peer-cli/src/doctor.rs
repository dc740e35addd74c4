//! The doctor: will calls work from where this machine sits, and if not, what is in the way?
//!
//! Everything that a call needs is tried by itself, in the order in which a call needs it: the signaling server step by
//! step, STUN, TURN over each transport with data that comes back, what the NAT does, IPv6, the length of packets, and
//! at last a whole call through the relay. Then there is one verdict.
//!
//! * `signaling`, `served`: the server, and the STUN and TURN servers that it names;
//! * `network`: everything behind them, all at the same time; `mtu`: how long a packet may be;
//! * `loopback`: the call;
//! * `verdict`: the brain that makes one sentence of it all;
//! * `text`: for people.

mod loopback;
mod mtu;
mod network;
mod served;
mod signaling;
mod text;
mod verdict;

use std::hash::{BuildHasher, RandomState};
use std::time::Instant;

use dialtone_wire::RoomId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::text::{check_line, verdict_lines};
pub use self::verdict::{Class, Verdict};
use self::verdict::{Evidence, judge};
use crate::args::{DoctorArgs, SettingsError};
use crate::clock::{Started, millis, now};
use crate::nat::NatReport;
use crate::report::schema_of;
use crate::rtc::{IceServer, IceUrlError};
use crate::signaling::{TlsConfigError, tls_config};

/// The version of the JSON document.
pub const SCHEMA: &str = "dialtone.doctor/1";

/// Everything that was found out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DoctorReport {
    /// `dialtone.doctor/1`.
    pub schema: String,
    /// The version of the program that wrote it.
    pub version: String,
    /// When the checks began, in milliseconds since 1970 (UTC).
    pub started_unix_ms: u64,
    /// How long they took, in milliseconds.
    pub duration_ms: f64,
    /// The signaling server; absent where none was given.
    pub server: Option<String>,
    /// The checks, in the order in which they ended.
    pub checks: Vec<Check>,
    /// What the NAT does, over IPv4, or over IPv6 where there is no IPv4; absent where no server could be asked.
    pub nat: Option<NatReport>,
    /// The same over IPv6, where `nat` is about IPv4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nat_ipv6: Option<NatReport>,
    /// The longest IP packet that got through whole, in bytes, at most 1500; absent where it was not measured.
    pub path_mtu: Option<u16>,
    /// How calls from here will go.
    pub verdict: Verdict,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// What was looked at, such as `signaling tls`, `stun udp`, `turn tcp`, `nat`, `ipv6`, `path mtu`, `call`.
    pub name: String,
    /// Whether it is as it should be; absent where it was not looked at or does not matter.
    pub ok: Option<bool>,
    /// How long it took, in milliseconds; absent where it was not looked at.
    pub ms: Option<f64>,
    /// What was found, or what went wrong.
    pub detail: String,
}

/// Why the doctor cannot begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DoctorError {
    /// Nothing was given to look at.
    #[error("there is nothing to look at; give --server wss://host/ws, --ice stun:host:3478, or both")]
    Nothing,
    /// A setting.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A file of certificates.
    #[error(transparent)]
    Tls(#[from] TlsConfigError),
    /// A STUN or TURN url.
    #[error(transparent)]
    Ice(#[from] IceUrlError),
    /// A variable of the environment for `peer-cli call` that cannot be used.
    #[error("no call can be placed with these settings: {0}")]
    Call(String),
}

/// Looks at everything; each check is told as it ends.
///
/// # Errors
/// See [`DoctorError`]; nothing has been looked at then.
pub async fn examine(
    args: &DoctorArgs,
    started: Started,
    mut tell: impl FnMut(&Check),
) -> Result<DoctorReport, DoctorError> {
    if args.server.is_none() && args.ice.is_empty() {
        return Err(DoctorError::Nothing);
    }
    let call = args.call().map_err(DoctorError::Call)?;
    let mut servers = call.common.ice_servers()?;
    if let Some(error) = IceServer::keep_usable(&servers).1.into_iter().next() {
        return Err(error.into());
    }
    let tls = tls_config(args.tls_ca.as_deref())?;
    let mut checks = Vec::new();
    let mut tell = |check: Check| {
        tell(&check);
        checks.push(check);
    };

    let mut evidence = Evidence::default();
    if let Some(url) = &args.server {
        let way = signaling::Way { url, origin: args.origin.as_deref(), tls: &tls, limit: args.timeout };
        let found = signaling::examine(&way, random_room(), &mut tell).await;
        evidence.signaling = found.broken;
        evidence.here = url.is_loopback();
        servers.extend(found.servers);
    }
    let network = network::examine(&servers, &tls, args.timeout, &mut tell).await;
    let path_mtu = network.path_mtu;
    network.testify(&mut evidence);
    if args.server.is_some() && evidence.signaling.is_none() {
        let (check, result) = loopback::place(&call, started, evidence.has_relay()).await;
        tell(check);
        evidence.call = result;
    }

    let verdict = judge(&evidence);
    let Evidence { ipv4, ipv6, .. } = evidence;
    let (nat, nat_ipv6) = match ipv4 {
        Some(ipv4) => (Some(ipv4), ipv6),
        None => (ipv6, None),
    };
    Ok(DoctorReport {
        schema: SCHEMA.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_unix_ms: u64::try_from(started.unix.as_millis()).unwrap_or(u64::MAX),
        duration_ms: millis(now().saturating_duration_since(started.mono)),
        server: args.server.as_ref().map(ToString::to_string),
        checks,
        nat,
        nat_ipv6,
        path_mtu,
        verdict,
    })
}

impl DoctorReport {
    /// The JSON document.
    pub fn to_json(&self) -> String {
        // Only strings as keys and no failing impl: it cannot fail.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

/// The JSON Schema of the document (draft 2020-12), as `doctor.schema.json` in this crate publishes it.
pub fn json_schema() -> String {
    schema_of::<DoctorReport>()
}

impl Check {
    /// Something that was not looked at, or does not matter, and why.
    fn left_out(name: &str, why: &str) -> Self {
        Self { name: name.to_owned(), ok: None, ms: None, detail: why.to_owned() }
    }
}

/// Times a check.
#[derive(Debug, Clone, Copy)]
struct Clock {
    started: Instant,
}

impl Clock {
    fn start() -> Self {
        Self { started: now() }
    }

    /// The check ends now, and all is well.
    fn passed(self, name: &str, detail: String) -> Check {
        self.ended(name, Some(true), detail)
    }

    /// The check ends now, and all is not well.
    fn failed(self, name: &str, detail: String) -> Check {
        self.ended(name, Some(false), detail)
    }

    fn ended(self, name: &str, ok: Option<bool>, detail: String) -> Check {
        let ms = millis(now().saturating_duration_since(self.started));
        Check { name: name.to_owned(), ok, ms: Some(ms), detail }
    }
}

/// A room that nobody else is in.
fn random_room() -> RoomId {
    let dice = RandomState::new().hash_one(0);
    #[expect(clippy::expect_used, reason = "letters, a dash and hexadecimal digits are a valid room id")]
    RoomId::parse(&format!("doctor-{dice:x}")).expect("a valid room id")
}

#[cfg(test)]
mod tests;
