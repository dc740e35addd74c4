//! What is left to say after many runs of the matrix: which calls were not as they must be, and how often.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Cell, Mode, Pair};

/// How often a call of one pair was placed, and what became of those that went wrong.
#[derive(Default)]
struct Tally<'a> {
    name: String,
    placed: usize,
    wrong: usize,
    again: usize,
    reasons: BTreeMap<&'a str, usize>,
}

/// A line with the sums, and one for each pair of networks in each mode that was not right every time, the most frequent
/// first, with its reasons below it.
pub fn summary(cells: &[Cell]) -> String {
    let mut tallies = BTreeMap::<(Mode, Pair), Tally<'_>>::new();
    for cell in cells {
        let tally =
            tallies.entry((cell.mode, cell.pair)).or_insert_with(|| Tally { name: cell.name(), ..Tally::default() });
        tally.placed += 1;
        tally.wrong += usize::from(!cell.wrong.is_empty());
        tally.again += cell.again;
        for reason in &cell.wrong {
            *tally.reasons.entry(reason).or_default() += 1;
        }
    }
    let sum = |of: fn(&Tally<'_>) -> usize| tallies.values().map(of).sum::<usize>();
    let mut text =
        format!("{} calls, {} wrong, {} placed again", cells.len(), sum(|tally| tally.wrong), sum(|tally| tally.again));
    let mut worst: Vec<_> = tallies.values().filter(|tally| tally.wrong + tally.again > 0).collect();
    worst.sort_by_key(|tally| std::cmp::Reverse((tally.wrong, tally.again)));
    for Tally { name, placed, wrong, again, reasons } in worst {
        // Writing to a text does not fail.
        let _ = write!(text, "\n  {name}: {wrong} of {placed} wrong, {again} placed again");
        for (reason, times) in reasons {
            let _ = write!(text, "\n    {times} x {reason}");
        }
    }
    text
}
