//! Brain: evidence in, one verdict out: how will calls from here go, and what is to be done.
//!
//! Only what others can be told of decides: a network whose NAT gives a socket the same public address towards
//! everybody is reached directly by most others, whatever its filter, as both sides open theirs by sending. So a home
//! router, a carrier's NAT behind it and a firewall without any NAT are one class.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::nat::{Mapping, NatReport, Udp};
use crate::report::ProbeOutcome;
use crate::rtc::Over;
use crate::verdict::Cause;

/// How calls from here will go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Direct to most networks; a relay is needed for the others at most.
    Direct,
    /// Through a relay that is reached over UDP, towards many networks.
    RelayUdp,
    /// Through a relay that is reached over TCP.
    RelayTcp,
    /// Through a relay that is reached over TLS.
    RelayTls,
    /// Not at all, as things are.
    Cannot,
}

/// The verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// How calls from here will go.
    pub class: Class,
    /// The same in one or two sentences, with the reason.
    pub text: String,
    /// What to do; absent when there is nothing to be done.
    pub remedy: Option<String>,
    /// What the program exits with: 0 when calls can work, 10 when signaling is broken, 14 when the network is in the
    /// way.
    pub exit_code: u8,
}

/// What the checks have found out.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Evidence {
    /// What is wrong with the signaling server, where one was tried and something is.
    pub(super) signaling: Option<Broken>,
    /// Whether everything happens on this machine: its server is at a loopback address.
    pub(super) here: bool,
    /// Whether this machine sends from a public address.
    pub(super) public: bool,
    /// What the NAT does, over IPv4.
    pub(super) ipv4: Option<NatReport>,
    /// The same over IPv6.
    pub(super) ipv6: Option<NatReport>,
    /// Whether a STUN server answered over UDP, one entry for each that was asked.
    pub(super) stun: Vec<bool>,
    /// What became of each TURN server.
    pub(super) relays: Vec<Relay>,
    /// What became of a call through the relay; `None` where none was placed.
    pub(super) call: Option<Result<(), String>>,
}

/// Signaling that does not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) cause: Cause,
    /// In words, as the end of a sentence.
    pub(super) why: String,
}

/// One TURN server over one transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Relay {
    /// As it was given.
    pub(super) url: String,
    pub(super) over: Over,
    pub(super) outcome: ProbeOutcome,
    /// The outcome in one sentence.
    pub(super) message: String,
}

impl Evidence {
    /// Whether a relay works.
    pub(super) fn has_relay(&self) -> bool {
        works(self).next().is_some()
    }
}

/// Judges. Signaling comes first, as without it nothing begins; then what the network makes of the media.
pub(super) fn judge(evidence: &Evidence) -> Verdict {
    if let Some(Broken { cause, why }) = &evidence.signaling {
        return Verdict {
            class: Class::Cannot,
            text: format!("Calls from here cannot begin, because signaling does not work: {why}."),
            remedy: cause.remedy().map(str::to_owned),
            exit_code: 10,
        };
    }
    let verdict = network(evidence);
    match &evidence.call {
        Some(Err(why)) if verdict.class != Class::Cannot && verdict.class != Class::Direct => cannot(
            format!("they need the relay, which answers, and a call through it does not work: {why}"),
            "Run the same call alone for its report: peer-cli call --relay-only with the same options.",
        ),
        Some(Err(why)) if verdict.class == Class::Direct => {
            let text = format!("{} A call through the relay did not work, though: {why}", verdict.text);
            Verdict { text, ..verdict }
        }
        Some(_) | None => verdict,
    }
}

fn network(evidence: &Evidence) -> Verdict {
    let (ipv4, ipv6) = (passing(evidence.ipv4.as_ref()), passing(evidence.ipv6.as_ref()));
    let Some(mapping) = ipv4.or(ipv6) else {
        return without_mapping(evidence);
    };
    match mapping.is_tellable() {
        Some(true) => direct(evidence, mapping),
        Some(false) => {
            let why = match mapping {
                Mapping::AddressDependent => "the NAT gives each host that is sent to another public address",
                Mapping::AddressAndPortDependent | Mapping::None | Mapping::EndpointIndependent | Mapping::Unknown => {
                    "the NAT gives each destination another public address (symmetric NAT)"
                }
            };
            let over_v6 = ipv6.filter(|_| ipv4.is_some()).and_then(Mapping::is_tellable) == Some(true);
            relayed(evidence, why).unwrap_or_else(|| dependent_without_relay(evidence, why, over_v6))
        }
        None => unknown(evidence),
    }
}

/// The mapping, where anything got through at all.
fn passing(nat: Option<&NatReport>) -> Option<Mapping> {
    nat.filter(|nat| nat.udp == Udp::Ok).map(|nat| nat.mapping)
}

fn direct(evidence: &Evidence, mapping: Mapping) -> Verdict {
    let why = if mapping == Mapping::None {
        "this machine is seen by its own address"
    } else {
        "the NAT gives a socket the same public address towards everybody"
    };
    let text = format!("Calls from here go direct to most networks: {why}.");
    match works(evidence).next() {
        Some(relay) => {
            let text = format!("{text} For the others there is the relay over {}.", words(relay.over));
            fine(Class::Direct, text, None)
        }
        None => {
            let failed = evidence.relays.first().map(|relay| format!(" The relay does not work: {}.", relay.message));
            let text = text + failed.as_deref().unwrap_or_default();
            fine(Class::Direct, text, Some(relay_remedy(evidence, "Have a TURN relay for calls to symmetric NATs")))
        }
    }
}

/// Through the best relay that works, if one does.
fn relayed(evidence: &Evidence, why: &str) -> Option<Verdict> {
    let over = [Over::Udp, Over::Tcp, Over::Tls];
    let relay = over.into_iter().find_map(|over| works(evidence).find(|relay| relay.over == over))?;
    let (class, text) = match relay.over {
        Over::Udp => (
            Class::RelayUdp,
            format!("Calls from here need a relay towards many networks, and reach it over UDP: {why}."),
        ),
        Over::Tcp => (Class::RelayTcp, format!("Calls from here need a relay over TCP: {why}.")),
        Over::Tls => (Class::RelayTls, format!("Calls from here work only through a relay over TLS: {why}.")),
    };
    let remedy = format!("See that every client is given {} and its login.", relay.url);
    Some(fine(class, text, Some(remedy)))
}

fn dependent_without_relay(evidence: &Evidence, why: &str, over_v6: bool) -> Verdict {
    let remedy =
        relay_remedy(evidence, "Run a TURN relay and give it to all clients: --ice turn:host:3478 and its login");
    if over_v6 {
        let text = format!("Calls from here go direct over IPv6 only; over IPv4 they need a relay: {why}.");
        return fine(Class::Direct, text, Some(remedy));
    }
    cannot(format!("{why}, and {}", no_relay(evidence)), &remedy)
}

/// UDP passes, and nobody told what the NAT does with it.
fn unknown(evidence: &Evidence) -> Verdict {
    let why = "UDP gets through, and what the NAT makes of it was not found out";
    relayed(evidence, why).unwrap_or_else(|| {
        let text = format!("Calls from here may go direct: {why}.");
        let remedy = "Give a second STUN server with --ice, or one that has two addresses (dialtone-turn --discovery), \
                      to find it out; have a TURN relay for the case that they do not.";
        fine(Class::Direct, text, Some(remedy.to_owned()))
    })
}

/// No discovery got an answer, or there was none.
fn without_mapping(evidence: &Evidence) -> Verdict {
    if evidence.stun.contains(&true) || works(evidence).any(|relay| relay.over == Over::Udp) {
        return unknown(evidence);
    }
    let asked = evidence.ipv4.is_some() || evidence.ipv6.is_some() || !evidence.stun.is_empty();
    if asked {
        let why = "nothing comes back over UDP";
        return relayed(evidence, why).unwrap_or_else(|| {
            let advice = "Open UDP in the firewall, or run a TURN relay on TLS port 443 and give it to all clients: \
                          --ice turns:host:443 and its login";
            cannot(format!("{why}, and {}", no_relay(evidence)), &relay_remedy(evidence, advice))
        });
    }
    if let Some(verdict) = relayed(evidence, "no server was asked over UDP") {
        return verdict;
    }
    let advice = "Give a STUN and a TURN server: --ice stun:host:3478 --ice turn:host:3478";
    if evidence.here {
        let text = "Calls from here go direct to peers on this machine; no STUN or TURN server was asked about others.";
        return fine(Class::Direct, text.to_owned(), Some(format!("{advice}.")));
    }
    if evidence.public {
        let text = "Calls from here go direct to most networks: this machine has a public address.";
        return fine(Class::Direct, text.to_owned(), Some(format!("{advice}, for all clients.")));
    }
    cannot(format!("this machine has no public address, and {}", no_relay(evidence)), &relay_remedy(evidence, advice))
}

fn works(evidence: &Evidence) -> impl Iterator<Item = &Relay> {
    evidence.relays.iter().filter(|relay| relay.outcome == ProbeOutcome::Works)
}

/// Why no relay helps, as the end of a sentence.
fn no_relay(evidence: &Evidence) -> String {
    let said: Vec<_> = evidence.relays.iter().map(|relay| relay.message.as_str()).collect();
    match &said[..] {
        [] if evidence.stun.is_empty() => "no STUN or TURN server is known".to_owned(),
        [] => "no TURN server is known".to_owned(),
        [only] => format!("the relay does not work: {only}"),
        all => format!("no relay works: {}", all.join("; ")),
    }
}

/// What to do about the relay that came closest to working, or `advice` where nothing but the network is in its way.
fn relay_remedy(evidence: &Evidence, advice: &str) -> String {
    let cause = |outcome| match outcome {
        ProbeOutcome::LoginRefused => Some(Cause::TurnLoginRefused),
        ProbeOutcome::Quota => Some(Cause::TurnQuota),
        ProbeOutcome::PeerRefused => Some(Cause::TurnPeerRefused),
        ProbeOutcome::UnknownHost | ProbeOutcome::Unreachable | ProbeOutcome::Refused | ProbeOutcome::Works => None,
    };
    let told = evidence.relays.iter().find_map(|relay| cause(relay.outcome)).and_then(Cause::remedy);
    told.map_or_else(|| format!("{}.", advice.trim_end_matches('.')), str::to_owned)
}

fn words(over: Over) -> &'static str {
    match over {
        Over::Udp => "UDP",
        Over::Tcp => "TCP",
        Over::Tls => "TLS",
    }
}

fn fine(class: Class, text: String, remedy: Option<String>) -> Verdict {
    Verdict { class, text, remedy, exit_code: 0 }
}

fn cannot(because: String, remedy: &str) -> Verdict {
    let text = format!("Calls from here cannot work, because {}.", because.trim_end_matches('.'));
    Verdict { class: Class::Cannot, text, remedy: Some(remedy.to_owned()), exit_code: 14 }
}

#[cfg(test)]
mod tests;
