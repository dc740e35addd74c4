//! What to do about each cause, in one sentence.

use super::Cause;

impl Cause {
    /// What to do, in one sentence; `None` when there is nothing to be done.
    pub fn remedy(self) -> Option<&'static str> {
        Some(match self {
            Self::Ok => return None,
            Self::SignalingLostInCall => {
                "Look at the signaling server's log: a call in progress goes on without it, and a new one cannot begin."
            }
            Self::SignalingDns => "Check the spelling of the host in --server, and the DNS of this machine.",
            Self::SignalingUnreachable => {
                "Start the signaling server, or correct --server; it looks like ws://host:8080/ws."
            }
            Self::SignalingTls => {
                "For a certificate of your own give its CA with --tls-ca FILE; else check its names and dates, and \
                 that TLS is spoken on this port."
            }
            Self::SignalingHttp => {
                "Check the path in --server, which usually is /ws, and look at the log of the server or of the proxy \
                 before it."
            }
            Self::SignalingNotWebsocket => {
                "Check host and port in --server: what answers there is no signaling server."
            }
            Self::SignalingNotStomp => {
                "Check the path in --server: the WebSocket there does not speak STOMP; Spring with SockJS has it at \
                 /ws/websocket."
            }
            Self::LoginRefused => {
                "Give the login that the server wants, often a token in the url of --server, and check that it is \
                 still valid."
            }
            Self::OriginRefused => {
                "Allow the origin on the server (dialtone-server --origin URL), or send one that it allows with \
                 --origin URL."
            }
            Self::JoinRefused => "Read the server's sentence; check the room's name and what the server allows.",
            Self::RoomFull => "Take another room, or let somebody leave this one.",
            Self::NobodyCame => "Start the other side in the same room on the same server, or wait longer with --wait.",
            Self::SignalingLost => "Look at the signaling server's log for why it closed the connection.",
            Self::PeerLeft => "Look at the other side: it left before media could flow.",
            Self::NoOffer => {
                "Look at the other side: the smaller session id offers, and it did not; does the server pass OFFER on?"
            }
            Self::NoAnswer => {
                "Look at the other side: does it get the OFFER, and does it answer? It may wait to be called otherwise."
            }
            Self::DescriptionRefused => "Look at the description in the other side's log; run with --log debug here.",
            Self::EngineFailed => "Run with --log debug; check --bind and the TURN url.",
            Self::NoCandidates => {
                "Check --bind and the network of the side without candidates, and that the server passes CANDIDATE on."
            }
            Self::StunUnreachable => {
                "Check the stun: url given with --ice, and that UDP to its port passes the firewall; or use a \
                 TURN relay."
            }
            Self::TurnUnreachable => {
                "Start the TURN server, or correct its url in --ice; check that UDP to its port passes the firewall."
            }
            Self::TurnLoginRefused => {
                "Check --ice-user and --ice-password; a time-limited login may have expired, or the clocks differ."
            }
            Self::TurnPeerRefused => {
                "Allow the other side's address on the TURN server: by default it relays to no loopback or private one."
            }
            Self::TurnQuota => {
                "Raise the TURN server's quota, or wait: allocations that were not released end by themselves within \
                 ten minutes."
            }
            Self::NeedRelay => {
                "Give both sides, or at least one, a TURN relay: --ice turn:host:3478 and its login; \
                 dialtone-turn is one."
            }
            Self::IceFailed => {
                "Look at firewalls between the two; where UDP is blocked, a TURN relay over an open port helps: --ice \
                 turn:host:3478."
            }
            Self::DtlsFailed => {
                "A middlebox lets connectivity checks pass but not DTLS, or a fingerprint was changed on its way; try \
                 --relay-only."
            }
            Self::IceLost => "The network went away in mid-call; look at both sides' links.",
            Self::NoCommonCodec => "Use VP8, which every WebRTC peer has, beside H264.",
            Self::NoMedia => "The path is up, so look at the sender: camera, microphone, and whether it sends at all.",
            Self::MediaStopped => "Look at the sender and the path at the moment the media stopped.",
            Self::NotDecodable => {
                "Look at loss and at the sender's encoder; packets come, but neither picture nor sound can be made of \
                 them."
            }
            Self::BlackPicture => {
                "Look at the sender's camera: its lens, its permission, whether another program holds it."
            }
            Self::FrozenPicture => {
                "Look at the sender: its camera or its encoder hangs, while the rest of it goes on sending."
            }
            Self::WrongPicture => "Two calls seem to be mixed up: check rooms and session ids on the server.",
            Self::Silence => "Look at the sender's microphone: muted, wrong device, or no permission.",
            Self::WrongTone => "Two calls seem to be mixed up, or the sound is resampled wrongly on its way.",
            Self::RelayNotUsed => {
                "Check that both peers were told --relay-only and that the relay's counters are right."
            }
            Self::QualityBelowExpected => {
                "Look at the time of the miss in the HTML report (--html FILE), or ask for less with --expect."
            }
            Self::TimedOut => "Give the run more time with --timeout, or look at the phase it stopped in.",
            Self::Interrupted => "Let it run until media flows.",
        })
    }
}
