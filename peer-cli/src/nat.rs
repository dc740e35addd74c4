//! What the NAT and the firewall in front of this machine do to UDP (RFC 4787), found out by asking a STUN server that
//! has two addresses with two ports each (RFC 5780).
//!
//! * `wire`: the messages;
//! * `discovery`: the brain: what is asked from which socket, and when there is nothing left to wait for;
//! * `judge`: what the answers mean;
//! * `sockets`: names and sockets, which decide nothing;
//! * `text`: the report for people.
//!
//! What decides whether two networks reach each other directly is the *mapping*: a NAT that gives one socket the same
//! public address towards everybody lets it be told to others, and then both sides open their filters by sending. A NAT
//! that gives a new address for each destination cannot be told of, and such a call needs a relay.

mod discovery;
mod judge;
mod sockets;
mod text;
pub(crate) mod wire;

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use sockets::discover;
pub use sockets::{NatError, StunServer, StunServerError, probe};
pub use text::render;

use crate::report::schema_of;

/// What was found out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NatReport {
    /// Over which family of addresses it was asked.
    pub family: Family,
    /// Whether anything was answered over UDP.
    pub udp: Udp,
    /// Our addresses as the servers saw one socket, in the order in which they became known, each once.
    pub public: Vec<SocketAddr>,
    /// The address of that socket here.
    pub local: Vec<SocketAddr>,
    /// Which public address a socket gets towards different destinations (RFC 4787 section 4.1).
    pub mapping: Mapping,
    /// From whom a public address takes packets (RFC 4787 section 5).
    pub filtering: Filtering,
    /// Whether every public address has the port number of the socket here; absent where none is known.
    pub port_preserved: Option<bool>,
    /// Whether two sockets here reach each other by their public addresses (RFC 4787 section 6); absent where that was
    /// not found out, and without a NAT.
    pub hairpin: Option<bool>,
    /// Why something is unknown, each in one sentence; for people.
    #[serde(skip)]
    pub notes: Vec<String>,
}

/// The family of IP addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

/// Whether UDP gets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Udp {
    /// Something was answered.
    Ok,
    /// Nothing was.
    Blocked,
}

/// Which public address a socket gets (RFC 4787 section 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mapping {
    /// Its own: there is no NAT.
    None,
    /// The same towards everybody.
    EndpointIndependent,
    /// One for each address that it sends to.
    AddressDependent,
    /// One for each address and port that it sends to.
    AddressAndPortDependent,
    /// Not found out.
    Unknown,
}

impl Mapping {
    /// Whether others can be told of a public address and reach us there; `None` where that is not known.
    pub fn is_tellable(self) -> Option<bool> {
        match self {
            Self::None | Self::EndpointIndependent => Some(true),
            Self::AddressDependent | Self::AddressAndPortDependent => Some(false),
            Self::Unknown => None,
        }
    }
}

/// From whom packets get in (RFC 4787 section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Filtering {
    /// From everybody.
    EndpointIndependent,
    /// From addresses that were sent to.
    AddressDependent,
    /// From addresses and ports that were sent to.
    AddressAndPortDependent,
    /// Not found out.
    Unknown,
}

impl Family {
    /// Of an address.
    pub fn of(address: SocketAddr) -> Self {
        if address.is_ipv4() { Self::Ipv4 } else { Self::Ipv6 }
    }
}

impl NatReport {
    /// The JSON document, in one line.
    pub fn to_json(&self) -> String {
        // Neither maps with odd keys nor an impl that fails: it cannot.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Nothing could be asked, or nothing was answered.
    pub(crate) fn blocked(family: Family, local: Vec<SocketAddr>, note: String) -> Self {
        Self {
            family,
            udp: Udp::Blocked,
            public: Vec::new(),
            local,
            mapping: Mapping::Unknown,
            filtering: Filtering::Unknown,
            port_preserved: None,
            hairpin: None,
            notes: vec![note],
        }
    }
}

/// The JSON Schema of the document (draft 2020-12), as `nat.schema.json` in this crate publishes it.
pub fn json_schema() -> String {
    schema_of::<NatReport>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_exactly_the_fields_that_scripts_look_for() {
        let report = NatReport {
            family: Family::Ipv4,
            udp: Udp::Ok,
            public: vec!["1.2.3.4:5".parse().unwrap()],
            local: vec!["192.168.1.2:5".parse().unwrap()],
            mapping: Mapping::AddressAndPortDependent,
            filtering: Filtering::EndpointIndependent,
            port_preserved: Some(true),
            hairpin: None,
            notes: vec!["for people".to_owned()],
        };
        assert_eq!(
            report.to_json(),
            r#"{"family":"ipv4","udp":"ok","public":["1.2.3.4:5"],"local":["192.168.1.2:5"],"mapping":"address-and-port-dependent","filtering":"endpoint-independent","port_preserved":true,"hairpin":null}"#
        );
    }

    #[test]
    fn a_blocked_network_leaves_everything_else_unknown() {
        let report = NatReport::blocked(Family::Ipv6, Vec::new(), "no route".to_owned());
        assert_eq!(
            report.to_json(),
            r#"{"family":"ipv6","udp":"blocked","public":[],"local":[],"mapping":"unknown","filtering":"unknown","port_preserved":null,"hairpin":null}"#
        );
    }
}
