//! A WebRTC engine without media: it keeps the books of offers and answers, and is strict about their order.

use dialtone_peer::call::{Candidate, CommandKind, DescriptionKind, RtcCommand, RtcEvent};

/// One peer's engine. Descriptions are words: `offer 0 1` is peer 0's first, `answer 1 1 to 0 1` answers it.
#[derive(Debug)]
pub(crate) struct Engine {
    peer: usize,
    made: u32,
    /// Our own offer that is not answered.
    open_offer: Option<u32>,
    has_remote: bool,
    /// The offer that we answered last: whose, and its number.
    answered: Option<(usize, u32)>,
    closed: bool,
    /// The peer that media flows to, and how many times there was a new one.
    partner: Option<usize>,
    pub(crate) links: u32,
}

/// What a command leads to.
#[derive(Debug, Default)]
pub(crate) struct Reaction {
    /// What the engine reports, in order.
    pub(crate) events: Vec<RtcEvent>,
    /// An answer was taken: the peer that answered, and which offer of ours.
    pub(crate) agreed: Option<(usize, u32)>,
}

impl Engine {
    pub(crate) fn new(peer: usize) -> Self {
        Self {
            peer,
            made: 0,
            open_offer: None,
            has_remote: false,
            answered: None,
            closed: false,
            partner: None,
            links: 0,
        }
    }

    /// Carries a command out.
    pub(crate) fn command(&mut self, command: RtcCommand) -> Reaction {
        assert!(!self.closed, "peer {} commands a closed engine: {command:?}", self.peer);
        match command {
            RtcCommand::CreateOffer { ice_restart: _ } => {
                assert_eq!(self.open_offer, None, "peer {} offers while its offer is out", self.peer);
                self.made += 1;
                self.open_offer = Some(self.made);
                self.described(DescriptionKind::Offer, format!("offer {} {}", self.peer, self.made), None)
            }
            RtcCommand::AcceptOffer { sdp } => {
                assert_eq!(self.open_offer, None, "peer {} takes an offer while its own is out", self.peer);
                let words: Vec<_> = sdp.split(' ').collect();
                let ["offer", from, number] = words[..] else { panic!("{sdp:?} is no offer") };
                self.has_remote = true;
                self.answered = Some((from.parse().unwrap(), number.parse().unwrap()));
                self.made += 1;
                let answer = format!("answer {} {} to {from} {number}", self.peer, self.made);
                self.described(DescriptionKind::Answer, answer, Some(DescriptionKind::Offer))
            }
            RtcCommand::AcceptAnswer { sdp } => {
                let words: Vec<_> = sdp.split(' ').collect();
                let ["answer", from, _, "to", to, number] = words[..] else { panic!("{sdp:?} is no answer") };
                let number: u32 = number.parse().unwrap();
                if to != self.peer.to_string() || self.open_offer != Some(number) {
                    let reason = format!("{sdp} does not answer the open offer {:?}", self.open_offer);
                    let failed = RtcEvent::CommandFailed { command: CommandKind::AcceptAnswer, reason };
                    return Reaction { events: vec![failed], agreed: None };
                }
                self.open_offer = None;
                self.has_remote = true;
                let accepted = RtcEvent::RemoteAccepted { kind: DescriptionKind::Answer };
                Reaction { events: vec![accepted], agreed: Some((from.parse().unwrap(), number)) }
            }
            RtcCommand::Rollback => {
                assert!(self.open_offer.take().is_some(), "peer {} rolls back what is not there", self.peer);
                Reaction::default()
            }
            RtcCommand::AddCandidate(candidate) => {
                assert!(self.has_remote, "peer {} adds {candidate:?} before there is a description", self.peer);
                Reaction::default()
            }
            RtcCommand::Close => {
                self.closed = true;
                Reaction::default()
            }
        }
    }

    /// Whether this engine is the other half of an agreement about offer `number` of `offerer`.
    pub(crate) fn agrees(&self, offerer: usize, number: u32) -> bool {
        !self.closed && self.answered == Some((offerer, number))
    }

    /// Media flows to and from `partner`.
    pub(crate) fn link(&mut self, partner: usize) {
        self.partner = Some(partner);
        self.links += 1;
    }

    /// Who media flows to, while it does.
    pub(crate) fn partner(&self) -> Option<usize> {
        self.partner.filter(|_| !self.closed)
    }

    /// Whether it is over.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// The process is gone.
    pub(crate) fn crash(&mut self) {
        self.closed = true;
    }

    /// Who media flowed to, whether or not this engine still runs.
    pub(crate) fn last_partner(&self) -> Option<usize> {
        self.partner
    }

    fn described(&self, kind: DescriptionKind, sdp: String, accepted: Option<DescriptionKind>) -> Reaction {
        let mut events: Vec<_> = accepted.map(|kind| RtcEvent::RemoteAccepted { kind }).into_iter().collect();
        events.push(RtcEvent::LocalDescription { kind, sdp });
        for n in 0..2 {
            let candidate = format!("candidate:{} {} {n}", self.peer, self.made);
            let candidate = Candidate { candidate, sdp_mid: Some("0".to_owned()), sdp_m_line_index: Some(0) };
            events.push(RtcEvent::LocalCandidate(candidate));
        }
        events.push(RtcEvent::GatheringComplete);
        Reaction { events, agreed: None }
    }
}
