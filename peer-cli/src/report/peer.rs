//! What one of our peers did and saw on the way to media.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Checked;

/// What one of our peers did and saw.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct PeerReport {
    /// Its name in this run.
    pub name: String,
    /// Its session id, once the server told it.
    pub sid: Option<String>,
    /// The signaling server's name for itself, where it tells.
    pub server: Option<String>,
    /// Milestones in the order they came.
    pub phases: Vec<PhaseStamp>,
    /// The times when media could not flow any more, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub interruptions: Vec<Interruption>,
    /// Signaling messages in the order they were sent and received.
    pub messages: Vec<MessageStamp>,
    /// How the call ended for this peer: a stable code.
    pub end: String,
    /// The same in words.
    pub end_message: String,
    /// The candidate pair that carried the media, as it stood at the end.
    pub pair: Option<PairReport>,
    /// ICE candidates of both sides, in the order in which they became known.
    pub candidates: Vec<CandidateReport>,
    /// Candidate pairs that were tried, as they stood at the end.
    pub pairs: Vec<PairTried>,
    /// What our own questions to the STUN and TURN servers found out after ICE had failed or had lost its path.
    pub probes: Vec<ProbeReport>,
    /// What it sent.
    pub sent: Sent,
    /// Received packets that this process was too slow to take; they count as lost without being the network's fault.
    pub overrun: u64,
    /// What `--record` left behind; absent where nothing was to be recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recording: Option<RecordingReport>,
}

impl PeerReport {
    /// The warning that its recording is not complete; `None` where it is, or where nothing was to be recorded.
    pub fn recording_warning(&self) -> Option<Checked> {
        let error = self.recording.as_ref()?.error.as_ref()?;
        let text = format!("recording of {}", self.name);
        let message = format!("the {text} is not complete: {error}");
        Some(Checked { text, message, warning: true, ok: false, ..Checked::default() })
    }
}

/// What a recording came to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RecordingReport {
    /// The files: the media where a frame came, the packets, the signaling.
    pub files: Vec<RecordingFile>,
    /// Packets, frames and signaling texts that were left out because the disk was too slow.
    pub left_out: u64,
    /// Why the recording is not complete, in one sentence; absent when it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// One file of a recording.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RecordingFile {
    /// Its path, with the folder as it was given. Where the name was taken, it is another one than the peer's.
    pub path: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// Why it ends before the call did, in the words of the system; absent when it does not. What is there can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// One milestone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseStamp {
    /// Its name, such as `joined`, `ready`, `ice-connected`.
    pub phase: String,
    /// Milliseconds since the peers were started.
    pub at_ms: f64,
}

/// A time when media could flow before and could not any more.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Interruption {
    /// When it was noticed, in milliseconds since the peers were started: at once where an address of this machine, or
    /// the connection to the relay in use, is gone, else some seconds after the last packet.
    pub at_ms: f64,
    /// How long it was until media could flow again, in milliseconds; up to the peer's last milestone where it never could.
    pub ms: f64,
    /// Whether media could flow again.
    pub recovered: bool,
    /// Whether an address of this machine had gone: a change of network.
    pub network_changed: bool,
    /// Whether the connection to the relay in use broke, over TCP or TLS.
    pub relay_lost: bool,
}

impl Interruption {
    /// Reads them off a peer's milestones.
    pub fn all(phases: &[PhaseStamp]) -> Vec<Self> {
        let mut all = Vec::new();
        let mut open: Option<Self> = None;
        let (mut changed, mut broke) = (None, None);
        for PhaseStamp { phase, at_ms } in phases {
            match phase.as_str() {
                "network-changed" => {
                    changed = Some(*at_ms);
                    open.iter_mut().for_each(|open| open.network_changed = true);
                }
                "relay-lost" => broke = Some(*at_ms),
                "interrupted" if open.is_none() => {
                    // The call hears of either right after it was noticed.
                    let just = |then: Option<f64>| then.is_some_and(|then| at_ms - then < 100.0);
                    let (network_changed, relay_lost) = (just(changed), just(broke));
                    open = Some(Self { at_ms: *at_ms, network_changed, relay_lost, ..Self::default() });
                }
                "connected" | "hung-up" => {
                    let recovered = phase == "connected";
                    all.extend(open.take().map(|open| Self { ms: at_ms - open.at_ms, recovered, ..open }));
                }
                _ => {}
            }
        }
        let last = phases.last().map_or(0.0, |last| last.at_ms);
        all.extend(open.map(|open| Self { ms: last - open.at_ms, ..open }));
        all
    }
}

/// One signaling message.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MessageStamp {
    /// Milliseconds since the peers were started.
    pub at_ms: f64,
    /// Whether this peer sent it; else it received it.
    pub sent: bool,
    /// What it is: `OFFER`, `ANSWER`, `CANDIDATE` between peers; `CONNECT`, `JOIN`, `LEAVE` to the server; `CONNECTED`,
    /// `ME`, `MEMBERS`, `READY`, `LEFT`, `REFUSED` from it.
    pub kind: String,
    /// A few words more: who, how many, which candidate kind.
    pub detail: String,
}

/// The candidate pair in use (RFC 8445; `RTCIceCandidatePairStats`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PairReport {
    /// `host`, `srflx`, `prflx` or `relay`.
    pub local: String,
    /// `host`, `srflx`, `prflx` or `relay`.
    pub remote: String,
    /// Our address and port.
    pub local_address: String,
    /// The other side's address and port.
    pub remote_address: String,
    /// The last round-trip time of a connectivity check, in milliseconds.
    pub rtt_ms: Option<f64>,
    /// Payload bytes sent over the pair.
    pub bytes_sent: u64,
    /// Payload bytes received over the pair.
    pub bytes_received: u64,
}

/// One ICE candidate (RFC 8839 section 5.1).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CandidateReport {
    /// Whether it is ours; else the other side's.
    pub local: bool,
    /// `host`, `srflx`, `prflx` or `relay`.
    pub kind: String,
    /// `udp` or `tcp`.
    pub protocol: String,
    /// Address and port; a browser may hide it behind a `.local` name.
    pub address: String,
    /// When it became known here, in milliseconds since the peers were started.
    pub at_ms: f64,
}

/// A candidate pair that ICE tried.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PairTried {
    /// Kind and address of our candidate, such as `host 192.0.2.1:5000`.
    pub local: String,
    /// Kind and address of the other side's candidate.
    pub remote: String,
    /// `frozen`, `waiting`, `in-progress`, `failed` or `succeeded` (RFC 8445 section 6.1.2.6).
    pub state: String,
    /// Whether the media was sent over it.
    pub nominated: bool,
    /// The last round-trip time of a connectivity check, in milliseconds.
    pub rtt_ms: Option<f64>,
    /// Connectivity checks sent.
    pub requests_sent: u64,
    /// Answers to them received.
    pub responses_received: u64,
}

/// What a STUN or TURN server said when it was asked directly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProbeReport {
    /// The server's url, without any login.
    pub url: String,
    /// What came of it.
    pub outcome: ProbeOutcome,
    /// The same in one sentence, with the server's own words where it had some, and with the addresses of its name that
    /// did not answer.
    pub message: String,
    /// How long it took, in milliseconds.
    pub took_ms: f64,
    /// Our address as the server saw it (XOR-MAPPED-ADDRESS).
    pub mapped: Option<String>,
    /// The address that the relay allocated.
    pub relayed: Option<String>,
}

/// What came of asking a STUN or TURN server directly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeOutcome {
    /// It answered as it should; a relay also took every peer address.
    Works,
    /// Its name could not be resolved.
    UnknownHost,
    /// No answer came, or the machine said that nothing listens there.
    Unreachable,
    /// It refused the login (401, 441, or 438 again and again).
    LoginRefused,
    /// It has no room for this user or at all (486, 508).
    Quota,
    /// It allocates, and refuses to relay to the other side's address (403).
    PeerRefused,
    /// It refused with another code, its certificate is not trusted, or its answer made no sense.
    Refused,
}

/// What a peer sent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Sent {
    /// The video source in words; absent where none was sent.
    pub video: Option<String>,
    /// The video codec negotiated for sending; absent when there was no common one.
    pub video_codec: Option<String>,
    /// Video frames handed to the engine.
    pub video_frames: u64,
    /// The audio source in words; absent where none was sent.
    pub audio: Option<String>,
    /// Audio frames handed to the engine.
    pub audio_frames: u64,
    /// Key frames that the other side asked for (PLI, FIR).
    pub key_frames_asked: u64,
    /// Packets that the other side asked for again (NACK).
    pub nacks_received: u64,
    /// Round-trip time from the other side's receiver reports (RFC 3550 section 6.4.1), in milliseconds.
    pub rtcp_rtt_ms: Option<f64>,
    /// What the congestion controller allowed at the end, in kbit/s; only with `--live`.
    pub target_kbps: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interruption_lasts_until_media_can_flow_again_or_until_the_end() {
        let phases = [
            ("connected", 100.0),
            ("network-changed", 4000.0),
            ("interrupted", 4001.0),
            ("signaling-back", 5000.0),
            ("connected", 6001.0),
            ("interrupted", 9000.0),
            ("connected", 9200.0),
            ("relay-lost", 9300.0),
            ("interrupted", 9300.0),
            ("hung-up", 9500.0),
        ];
        let phases: Vec<_> =
            phases.map(|(phase, at_ms)| PhaseStamp { phase: phase.to_owned(), at_ms }).into_iter().collect();
        let moved =
            Interruption { at_ms: 4001.0, ms: 2000.0, recovered: true, network_changed: true, relay_lost: false };
        let silent = Interruption { at_ms: 9000.0, ms: 200.0, recovered: true, ..Interruption::default() };
        let broken = Interruption { at_ms: 9300.0, ms: 200.0, relay_lost: true, ..Interruption::default() };
        assert_eq!(Interruption::all(&phases), [moved, silent.clone(), broken]);
        assert_eq!(Interruption::all(&phases[5..6]), [Interruption { ms: 0.0, recovered: false, ..silent }]);
        assert_eq!(Interruption::all(&[]), []);
    }

    #[test]
    fn a_recording_that_is_not_complete_is_a_missed_warning() {
        let mut peer = PeerReport { name: "alice".to_owned(), ..PeerReport::default() };
        assert_eq!(peer.recording_warning(), None);
        peer.recording = Some(RecordingReport::default());
        assert_eq!(peer.recording_warning(), None);
        let error = Some("a.webm ends early: No space left on device".to_owned());
        peer.recording = Some(RecordingReport { error, ..RecordingReport::default() });
        let warning = peer.recording_warning().unwrap();
        assert!(warning.warning && !warning.ok);
        assert_eq!(warning.text, "recording of alice");
        let expected = "the recording of alice is not complete: a.webm ends early: No space left on device";
        assert_eq!(warning.message, expected);
    }
}
