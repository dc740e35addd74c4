//! What the command line says.

use std::path::PathBuf;
use std::time::Duration;

use crate::wire::{Faults, Share};

pub(crate) const HELP: &str = "\
A cable between two network interfaces: takes Ethernet frames from either and gives them to the other

Usage: lab-wire FIRST SECOND [OPTIONS]

  --delay 50ms      how long each frame takes, each way
  --jitter 10ms     up to so much more or less; frames keep their order all the same
  --reorder 1%      the share of frames that skip the delay and overtake what waits
  --duplicate 1%    the share of frames that come twice
  --loss 1%         the share of frames that get lost
  --seed N          the dice: the same number decides the same way
  --stats FILE      where to write what was counted, at SIGUSR1 and at the end [default: standard output]

Prints `lab-wire ready` when it carries, and ends at SIGTERM or SIGINT. It has to be allowed raw sockets, and both
interfaces need a sender that computes checksums itself: ethtool -K IF tx off tso off gso off.
Counted each way: received, sent, lost, duplicated, overtaken, and `own`: frames that it lost without being told to.

Exit codes:
  0   ended by a signal
  1   an interface is missing or refused
  64  wrong usage";

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Args {
    /// The interface at each end.
    pub(crate) ends: [String; 2],
    /// What the cable does to frames.
    pub(crate) faults: Faults,
    /// What its dice start from.
    pub(crate) seed: u64,
    /// Where the counters go; `None`: standard output.
    pub(crate) stats: Option<PathBuf>,
}

/// What is wrong with the command line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum UsageError {
    /// Not two interfaces.
    Ends(usize),
    /// There is no such option.
    Unknown(String),
    /// Nothing after it.
    NoValue(String),
    /// What follows is of no use.
    Value { option: String, value: String, expected: &'static str },
}

impl std::fmt::Display for UsageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ends(number) => write!(f, "{number} interfaces are given, and a cable has two ends"),
            Self::Unknown(word) => write!(f, "there is no option {word}; see lab-wire --help"),
            Self::NoValue(option) => write!(f, "{option} needs a value"),
            Self::Value { option, value, expected } => write!(f, "{option} takes {expected}, not `{value}`"),
        }
    }
}

impl Args {
    /// # Errors
    ///
    /// When the words do not make a cable.
    pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Result<Self, UsageError> {
        let mut words = words.into_iter();
        let (mut ends, mut faults, mut seed, mut stats) = (Vec::new(), Faults::default(), 0, None);
        while let Some(word) = words.next() {
            if !word.starts_with('-') {
                ends.push(word);
                continue;
            }
            let known = ["--delay", "--jitter", "--reorder", "--duplicate", "--loss", "--seed", "--stats"];
            if !known.contains(&word.as_str()) {
                return Err(UsageError::Unknown(word));
            }
            let value = words.next().ok_or_else(|| UsageError::NoValue(word.clone()))?;
            let wrong = |expected| UsageError::Value { option: word.clone(), value: value.clone(), expected };
            let time = || time(&value).ok_or_else(|| wrong("a time such as 50ms"));
            let share = || share(&value).ok_or_else(|| wrong("a share such as 1%, at most 100%"));
            match word.as_str() {
                "--delay" => faults.delay = time()?,
                "--jitter" => faults.jitter = time()?,
                "--reorder" => faults.reorder = share()?,
                "--duplicate" => faults.duplicate = share()?,
                "--loss" => faults.loss = share()?,
                "--seed" => seed = value.parse().map_err(|_| wrong("a number"))?,
                _ => stats = Some(PathBuf::from(value)),
            }
        }
        let ends = ends.try_into().map_err(|ends: Vec<String>| UsageError::Ends(ends.len()))?;
        Ok(Self { ends, faults, seed, stats })
    }
}

/// `50ms`, `1.5ms` or `2s`.
fn time(text: &str) -> Option<Duration> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 0.001),
        None => (text.strip_suffix('s')?, 1.0),
    };
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * unit).ok()
}

fn share(text: &str) -> Option<Share> {
    Share::of_percent(text.strip_suffix('%')?.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, UsageError> {
        Args::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn every_option_is_read() {
        let line = "p x --delay 50ms --jitter 1.5ms --reorder 1% --duplicate 0.5% --loss 100% --seed 7 --stats /s";
        let expected = Args {
            ends: ["p".to_owned(), "x".to_owned()],
            faults: Faults {
                delay: Duration::from_millis(50),
                jitter: Duration::from_micros(1500),
                reorder: Share::of_percent(1.0).unwrap(),
                duplicate: Share::of_percent(0.5).unwrap(),
                loss: Share::of_percent(100.0).unwrap(),
            },
            seed: 7,
            stats: Some(PathBuf::from("/s")),
        };
        assert_eq!(parse(line), Ok(expected));
        assert_eq!(parse("a b --delay 2s").unwrap().faults.delay, Duration::from_secs(2));
    }

    #[test]
    fn nonsense_is_refused_with_what_was_expected() {
        for (line, text) in [
            ("a", "1 interfaces are given, and a cable has two ends"),
            ("a b c", "3 interfaces are given, and a cable has two ends"),
            ("a b --speed 1", "there is no option --speed; see lab-wire --help"),
            ("a b --delay", "--delay needs a value"),
            ("a b --delay 50", "--delay takes a time such as 50ms, not `50`"),
            ("a b --delay -1ms", "--delay takes a time such as 50ms, not `-1ms`"),
            ("a b --loss 101%", "--loss takes a share such as 1%, at most 100%, not `101%`"),
            ("a b --loss 1", "--loss takes a share such as 1%, at most 100%, not `1`"),
            ("a b --seed x", "--seed takes a number, not `x`"),
        ] {
            assert_eq!(parse(line).unwrap_err().to_string(), text, "{line}");
        }
    }
}
