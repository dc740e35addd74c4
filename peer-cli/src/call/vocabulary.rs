//! The words in which the call brain speaks with its hands.

use std::time::Duration;

use dialtone_wire::SessionId;
pub use dialtone_wire::signal::Candidate;

use super::EndReason;

/// Whether a description offers or answers (RFC 9429 section 4.1.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DescriptionKind {
    /// It starts a negotiation.
    Offer,
    /// It ends one.
    Answer,
}

/// What the signaling side tells the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromServer {
    /// The server has let us in and says who we are.
    Me(SessionId),
    /// Who is in the room, in order of joining.
    Members(Vec<SessionId>),
    /// The room has two members.
    Ready,
    /// A signal relayed by the server.
    Signal {
        /// Who sent it: the server's proof where there is one, else the label in the body.
        from: Option<SessionId>,
        /// What it says.
        signal: Signal,
    },
    /// Somebody has gone.
    Leave(Option<SessionId>),
    /// The server refused something.
    Refused {
        /// The room is full.
        room_full: bool,
        /// The server's sentence.
        message: String,
    },
    /// The connection to the server is gone; it is being made anew.
    Lost,
    /// The connection to the server is back, and the room has been joined again.
    Back,
    /// The connection to the server is gone for good.
    GaveUp {
        /// Which kind of end it was.
        why: LossKind,
        /// Why, in one sentence.
        reason: String,
    },
}

/// Why the server is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LossKind {
    /// The connection broke, and the server did not come back in time.
    Lost,
    /// What answers does not speak STOMP, or does not speak it as a server.
    NotStomp,
    /// It answered CONNECT with an ERROR.
    LoginRefused,
    /// It answered the subscriptions or the join with an ERROR.
    JoinRefused,
}

/// A signal from peer to peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// A session description.
    Description {
        /// Offer or answer.
        kind: DescriptionKind,
        /// Its text (RFC 8866).
        sdp: String,
    },
    /// An ICE candidate; `None` ends the candidates.
    Candidate(Option<Candidate>),
}

/// What the call wants of the WebRTC engine. Commands are carried out in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RtcCommand {
    /// Make an offer, set it as local description, report [`RtcEvent::LocalDescription`].
    CreateOffer {
        /// With new ICE credentials (RFC 8839 section 4.4.1.1.1).
        ice_restart: bool,
    },
    /// Set the remote offer, report [`RtcEvent::RemoteAccepted`], answer, report [`RtcEvent::LocalDescription`].
    AcceptOffer {
        /// The offer's text.
        sdp: String,
    },
    /// Set the remote answer, report [`RtcEvent::RemoteAccepted`].
    AcceptAnswer {
        /// The answer's text.
        sdp: String,
    },
    /// Take our own offer back (JSEP rollback).
    Rollback,
    /// Use a candidate of the other peer.
    AddCandidate(Candidate),
    /// End the connection.
    Close,
}

/// What the WebRTC engine reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RtcEvent {
    /// Our own description is set and ready to be sent.
    LocalDescription {
        /// Offer or answer.
        kind: DescriptionKind,
        /// Its text.
        sdp: String,
    },
    /// A candidate of ours.
    LocalCandidate(Candidate),
    /// There are no more candidates of ours.
    GatheringComplete,
    /// A remote description was set: queued candidates may follow.
    RemoteAccepted {
        /// Offer or answer.
        kind: DescriptionKind,
    },
    /// The state of ICE has changed.
    IceState(IceState),
    /// DTLS is up, media can flow.
    Connected,
    /// Nothing has come for some seconds; it may heal by itself.
    Disconnected,
    /// The connection to the relay that the media goes through broke, and its allocation is gone with it (RFC 8656
    /// section 3.1): nothing comes that way any more.
    RelayLost,
    /// The connection does not come, or does not come back by itself.
    Failed,
    /// A fatal DTLS alert passed while the handshake went on (RFC 5246 section 7.2.2): it will not end well.
    DtlsAlert {
        /// Whether our engine sent it; else the other side did.
        by_us: bool,
        /// What the RFC calls it, such as `bad_certificate`.
        alert: String,
    },
    /// The connection is closed.
    Closed,
    /// A command could not be carried out.
    CommandFailed {
        /// Which command.
        command: CommandKind,
        /// The engine's words.
        reason: String,
    },
}

/// Which command of [`RtcCommand`] failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandKind {
    /// [`RtcCommand::CreateOffer`]
    CreateOffer,
    /// [`RtcCommand::AcceptOffer`]
    AcceptOffer,
    /// [`RtcCommand::AcceptAnswer`]
    AcceptAnswer,
    /// [`RtcCommand::Rollback`]
    Rollback,
    /// [`RtcCommand::AddCandidate`]
    AddCandidate,
}

/// The states of ICE as W3C names them (RTCIceConnectionState).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IceState {
    /// Nothing has begun.
    New,
    /// Pairs are being checked.
    Checking,
    /// A pair works.
    Connected,
    /// A pair works and every check is done.
    Completed,
    /// Checks are not answered at the moment.
    Disconnected,
    /// No pair works.
    Failed,
    /// It is over.
    Closed,
}

/// What the call wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send this to the other peer through the server.
    Send(Signal),
    /// Have the WebRTC engine do this.
    Rtc(RtcCommand),
    /// Something worth a line has happened.
    Progress(Phase),
    /// Leave the room.
    Leave,
    /// The call is over; nothing follows.
    Ended(EndReason),
}

/// A milestone of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The server has let us into the room.
    Joined,
    /// We are alone in the room.
    Waiting,
    /// Two members: calling begins.
    Ready,
    /// We offer.
    OfferSent,
    /// The other side offers.
    OfferReceived,
    /// We answer.
    AnswerSent,
    /// The other side answers.
    AnswerReceived,
    /// Both offered at once and ours was taken back.
    RolledBack,
    /// ICE checks pairs.
    IceChecking,
    /// ICE has a pair.
    IceConnected,
    /// DTLS is up: media can flow.
    Connected,
    /// Nothing comes from the other side any more.
    Interrupted,
    /// ICE is restarted.
    IceRestart,
    /// The server's connection is lost; media is not touched by that.
    SignalingLost,
    /// The server's connection is back.
    SignalingBack,
}

/// How long the call waits for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For the server's answer to the join.
    pub join: Duration,
    /// For the second member.
    pub wait: Duration,
    /// From READY to media.
    pub connect: Duration,
    /// For the other side's offer, and for the answer to ours when theirs lies here.
    pub offer: Duration,
    /// For a READY after a member list of two.
    pub ready: Duration,
    /// For media to come back after it was cut.
    pub recover: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            join: Duration::from_secs(10),
            wait: Duration::from_secs(30),
            connect: Duration::from_secs(20),
            offer: Duration::from_secs(2),
            ready: Duration::from_millis(500),
            recover: Duration::from_secs(30),
        }
    }
}
