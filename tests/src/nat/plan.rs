//! Which calls a run of the matrix places, and in which order: a site is in one call at a time, so that what is counted
//! at it belongs to that call.

use std::collections::BTreeSet;

use super::{Kind, Mode};

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
}

impl Plan {
    /// Every pair in every mode, `times` times over.
    pub fn new(modes: &[Mode], pairs: &[Pair], times: usize) -> Self {
        let once = || modes.iter().flat_map(|&mode| pairs.iter().map(move |&pair| (mode, pair)));
        Self { waiting: (0..times).flat_map(|_| once()).collect(), busy: BTreeSet::new() }
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The next call whose sites are free; they are taken until [`done`](Self::done). `None`: none waits, or each
    /// waits for a site.
    pub fn start(&mut self) -> Option<(Mode, Pair)> {
        let free = |(_, pair): &(Mode, Pair)| pair.sites().iter().all(|site| !self.busy.contains(site));
        let next = self.waiting.iter().position(free)?;
        let (mode, pair) = self.waiting.remove(next);
        self.busy.extend(pair.sites());
        Some((mode, pair))
    }

    /// Places a call once more, after all others.
    pub fn again(&mut self, mode: Mode, pair: Pair) {
        self.waiting.push((mode, pair));
    }

    /// Gives the sites of a call back.
    pub fn done(&mut self, pair: Pair) {
        for site in pair.sites() {
            self.busy.remove(&site);
        }
    }
}
