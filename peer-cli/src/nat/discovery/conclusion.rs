//! What the answers of a discovery come to.

use std::net::SocketAddr;

use super::{Discovery, ENOUGH, Leg, Main, Question, State};
use crate::nat::{
    Family, Filtering, Mapping, NatReport, Udp,
    judge::{self, Elsewhere, Judged, Seen},
    wire::What,
};

impl Discovery {
    /// What the answers come to; what has not come counts as missed.
    pub(super) fn conclude(&self) -> NatReport {
        let family = Family::of(self.local);
        if !self.asks.iter().any(|ask| matches!(ask.state, State::Answered { .. })) {
            let asked: Vec<_> = self.asks.iter().map(|ask| ask.to.to_string()).collect();
            let note = format!("Nothing came back over UDP from {}.", asked.join(", "));
            return NatReport::blocked(family, vec![self.local], note);
        }
        let (mapping, mapping_note) = judge::mapping(self.local, &self.seen());
        let (filtering, filtering_note) = match self.main {
            Some(Main { server, other: Some(other), .. }) => self.filtering(server, other),
            Some(_) | None => {
                let why = "Filtering: the server cannot answer from a second address (OTHER-ADDRESS, RFC 5780).";
                (Filtering::Unknown, Some(why.to_owned()))
            }
        };
        let mut public: Vec<SocketAddr> = Vec::new();
        for Seen { mapped, .. } in self.seen() {
            if !public.contains(&mapped) {
                public.push(mapped);
            }
        }
        let kept = public.iter().all(|public| public.port() == self.local.port());
        NatReport {
            family,
            udp: Udp::Ok,
            port_preserved: (!public.is_empty()).then_some(kept),
            public,
            local: vec![self.local],
            mapping,
            filtering,
            hairpin: if mapping == Mapping::None { None } else { self.hairpinned() },
            notes: mapping_note.into_iter().chain(filtering_note).collect(),
        }
    }

    /// How the mapping socket was seen.
    fn seen(&self) -> Vec<Seen> {
        let mapping = self.asks.iter().filter(|ask| ask.leg == Leg::Mapping);
        mapping.filter_map(|ask| Some(Seen { to: ask.to, mapped: ask.mapped()? })).collect()
    }

    fn filtering(&self, server: SocketAddr, other: SocketAddr) -> Judged<Filtering> {
        let both = self.elsewhere(Leg::FilterBoth, |from| from.ip() != server.ip());
        let port = self.elsewhere(Leg::FilterPort, |from| from.port() != server.port());
        let alive = |at: SocketAddr| {
            let mut places = self.asks.iter().filter(|ask| ask.question == Question::Place);
            places.any(|ask| ask.to == at && matches!(ask.state, State::Answered { .. }))
        };
        judge::filtering(both, port, (alive(other), alive(SocketAddr::new(server.ip(), other.port()))))
    }

    fn elsewhere(&self, leg: Leg, is_elsewhere: impl Fn(SocketAddr) -> bool) -> Elsewhere {
        let Some(ask) = self.asks.iter().find(|ask| ask.leg == leg) else { return Elsewhere::NoTime };
        match &ask.state {
            State::Answered { what: What::Error { code }, .. } => Elsewhere::Refused(*code),
            State::Answered { from, .. } if is_elsewhere(*from) => Elsewhere::Came,
            State::Answered { .. } => Elsewhere::CameFromHere,
            State::Waiting | State::Silent if ask.sent >= ENOUGH => Elsewhere::Nothing,
            State::Waiting | State::Silent => Elsewhere::NoTime,
        }
    }

    fn hairpinned(&self) -> Option<bool> {
        if self.hairpin {
            return Some(true);
        }
        let mut across = self.asks.iter().filter(|ask| ask.question == Question::Across);
        across.any(|ask| ask.sent >= ENOUGH).then_some(false)
    }
}
