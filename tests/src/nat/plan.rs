//! Which calls a run of the matrix places, and in which order: a site is in one call at a time, so that what is counted
//! at it belongs to that call.

use std::collections::BTreeSet;

use super::Kind;

/// How many browsers may run at once: each has as much to do as several of our peers.
const BROWSERS: usize = 2;

/// What the peers have beside each other, and who they are.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Mode {
    /// A STUN server; both are `peer-cli`.
    Stun,
    /// STUN, and TURN over UDP, TCP and TLS; both are `peer-cli`.
    Turn,
    /// The same as the signaling server names it to them; the first one is the call page in a browser.
    Browser,
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Stun, Self::Turn, Self::Browser];

    /// For people and machines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stun => "stun",
            Self::Turn => "turn",
            Self::Browser => "browser",
        }
    }
}

/// One call: the first site of `a` with the second site of `b`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Pair {
    /// Kind of the side that is started first.
    pub a: Kind,
    /// Kind of the other side.
    pub b: Kind,
}

impl Pair {
    /// Every unordered pair of some kinds, a kind with itself included.
    pub fn all(kinds: &[Kind]) -> Vec<Self> {
        let of = |(n, &a): (usize, &Kind)| kinds.iter().skip(n).map(move |&b| Self { a, b }).collect::<Vec<_>>();
        kinds.iter().enumerate().flat_map(of).collect()
    }

    /// The pairs of a mode. A browser sits in each kind now and then: it is at the first site, and who is first takes
    /// turns.
    pub fn of_mode(mode: Mode, kinds: &[Kind]) -> Vec<Self> {
        let turned = |Self { a, b }: Self| {
            let steps = kinds.iter().filter(|&&kind| (a..b).contains(&kind)).count();
            if steps % 2 == 0 { Self { a, b } } else { Self { a: b, b: a } }
        };
        match mode {
            Mode::Stun | Mode::Turn => Self::all(kinds),
            Mode::Browser => Self::all(kinds).into_iter().map(turned).collect(),
        }
    }

    /// Whether the call is one between these two, whoever is first.
    pub fn is_between(self, one: Kind, other: Kind) -> bool {
        (self.a, self.b) == (one, other) || (self.a, self.b) == (other, one)
    }

    /// Its two sites.
    pub fn sites(self) -> [String; 2] {
        [format!("{}1", self.a.short()), format!("{}2", self.b.short())]
    }
}

/// The sites for `scripts/nat-lab`, two of each kind.
pub fn sites(kinds: &[Kind]) -> String {
    let both = |kind: &Kind| [1, 2].map(|n| format!("{}{n}={}", kind.short(), kind.site())).join(",");
    kinds.iter().map(both).collect::<Vec<_>>().join(",")
}

/// The calls that are still to be placed.
#[derive(Debug)]
pub struct Plan {
    waiting: Vec<(Mode, Pair)>,
    busy: BTreeSet<String>,
    browsers: usize,
}

impl Plan {
    /// Every pair of these kinds in every mode, `times` times over.
    pub fn new(modes: &[Mode], kinds: &[Kind], times: usize) -> Self {
        let once =
            || modes.iter().flat_map(|&mode| Pair::of_mode(mode, kinds).into_iter().map(move |pair| (mode, pair)));
        Self { waiting: (0..times).flat_map(|_| once()).collect(), busy: BTreeSet::new(), browsers: 0 }
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The next call whose sites are free; they are taken until [`done`](Self::done). `None`: none waits, or each
    /// waits for a site or for a browser to end.
    pub fn start(&mut self) -> Option<(Mode, Pair)> {
        let free = |&(mode, pair): &(Mode, Pair)| {
            let is_room = mode != Mode::Browser || self.browsers < BROWSERS;
            is_room && pair.sites().iter().all(|site| !self.busy.contains(site))
        };
        let next = self.waiting.iter().position(free)?;
        let (mode, pair) = self.waiting.remove(next);
        self.busy.extend(pair.sites());
        self.browsers += usize::from(mode == Mode::Browser);
        Some((mode, pair))
    }

    /// Places a call once more, after all others.
    pub fn again(&mut self, mode: Mode, pair: Pair) {
        self.waiting.push((mode, pair));
    }

    /// Gives back what a call has taken.
    pub fn done(&mut self, mode: Mode, pair: Pair) {
        self.browsers -= usize::from(mode == Mode::Browser);
        for site in pair.sites() {
            self.busy.remove(&site);
        }
    }
}
