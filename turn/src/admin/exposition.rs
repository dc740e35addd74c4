//! Prometheus' text form, version 0.0.4: for each family its help and its type, then its samples.

use std::fmt::{Display, Write as _};

/// A page in the making.
#[derive(Debug, Default)]
pub(super) struct Exposition(String);

/// What a family's numbers do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only go up; the name ends with `_total`.
    Counter,
    /// Go up and down.
    Gauge,
}

impl Exposition {
    /// A family of one number that only goes up.
    pub(super) fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(Kind::Counter, name, help);
        self.sample(name, None, value);
    }

    /// A family of one number that goes up and down.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(Kind::Gauge, name, help);
        self.sample(name, None, value);
    }

    /// A family of two counters: to peers, and to clients.
    pub(super) fn both_ways(&mut self, name: &str, help: &str, [to_peers, to_clients]: [u64; 2]) {
        self.family(Kind::Counter, name, help);
        self.sample(name, Some(("direction", "to_peer")), to_peers);
        self.sample(name, Some(("direction", "to_client")), to_clients);
    }

    /// Begins a family; `help` is one line without backslashes.
    pub(super) fn family(&mut self, kind: Kind, name: &str, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        self.write(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    /// One number of the family begun last; a label's value has no quotes, backslashes or line ends.
    pub(super) fn sample(&mut self, name: &str, label: Option<(&str, &str)>, value: impl Display) {
        match label {
            Some((label, of)) => self.write(format_args!("{name}{{{label}=\"{of}\"}} {value}\n")),
            None => self.write(format_args!("{name} {value}\n")),
        }
    }

    /// The page.
    pub(super) fn finish(self) -> String {
        self.0
    }

    fn write(&mut self, text: std::fmt::Arguments<'_>) {
        // A string takes everything.
        let _ = self.0.write_fmt(text);
    }
}
