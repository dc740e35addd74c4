//! A comparison for a person at a terminal.

use super::{Change, Diff, Side, Trend};
use crate::report::metrics::number;
use crate::report::terminal::words::utc;
use crate::report::terminal::{Style, plain};

/// The columns behind the mark: metric, place, before, after, change, percent.
const HEADS: [&str; 6] = ["metric", "where", "A", "B", "change", "percent"];

/// In which order columns go when there is not enough room.
const LEAST_FIRST: [usize; 4] = [5, 2, 1, 3];

/// The comparison: what matters most, the verdicts, and a table of what changed, the worst first.
pub fn render(diff: &Diff, style: Style) -> String {
    let mut out = format!("{}\n\n", plain(&diff.headline));
    out.push_str(&side("A", &diff.before, style));
    out.push_str(&side("B", &diff.after, style));
    for note in &diff.notes {
        out.push_str(&format!("   {note}\n"));
    }
    let (shown, same): (Vec<_>, Vec<_>) = diff.changes.iter().partition(|change| change.trend != Trend::Same);
    if !shown.is_empty() {
        out.push('\n');
        out.push_str(&table(&shown, style));
    }
    let (count, verb) = (same.len(), if same.len() == 1 { "figure is" } else { "figures are" });
    out.push_str(&format!(
        "\n{count} {verb} the same within what chance makes of them; peer-cli diff --help says how much\n"
    ));
    out
}

/// `setup_ms (alice) 45.4 -> 80.1 ms, +76 %`
pub(super) fn in_words(change: &Change) -> String {
    let place = if change.place.is_empty() { String::new() } else { format!(" ({})", change.place) };
    let figure = |figure: Option<f64>| figure.map_or_else(|| "-".to_owned(), number);
    let unit = if change.unit.is_empty() { String::new() } else { format!(" {}", change.unit) };
    let percent = change.percent.map_or_else(String::new, |percent| format!(", {percent:+.0} %"));
    format!("{}{place} {} -> {}{unit}{percent}", change.metric, figure(change.before), figure(change.after))
}

fn side(name: &str, side: &Side, style: Style) -> String {
    let word = style.verdict(side.ok, if side.ok { "PASS" } else { "FAIL" });
    let (version, sentence) = (plain(&side.version), plain(&side.sentence));
    format!("{name}  {}  peer-cli {version}  {word} {sentence}\n", utc(side.started_unix_ms))
}

fn table(changes: &[&Change], style: Style) -> String {
    let rows: Vec<[String; 6]> = changes.iter().map(|change| cells(change)).collect();
    let wide = |column: usize| {
        let longest = rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
        longest.max(HEADS[column].len()) + 2
    };
    let mut columns: Vec<usize> = (0..HEADS.len()).collect();
    for least in LEAST_FIRST {
        if MARK + columns.iter().map(|column| wide(*column)).sum::<usize>() <= style.width {
            break;
        }
        columns.retain(|column| *column != least);
    }
    let line = |cells: [&str; 6]| {
        let mut line = String::new();
        for &column in &columns {
            let (cell, width) = (cells[column], wide(column));
            // Names to the left, figures to the right.
            let cell = if column < 2 { format!("{cell:<width$}") } else { format!("{cell:>width$}") };
            line.push_str(&cell);
        }
        line.trim_end().to_owned()
    };
    let mut out = format!("{:MARK$}{}\n", "", style.faint(&line(HEADS)));
    for (change, row) in changes.iter().zip(&rows) {
        out.push_str(&format!("{}{}\n", mark(change.trend, style), line(row.each_ref().map(String::as_str))));
    }
    out
}

/// The width of the mark in front of a row.
const MARK: usize = 9;

fn mark(trend: Trend, style: Style) -> String {
    let (word, good) = match trend {
        Trend::Worse => ("worse", Some(false)),
        Trend::Better => ("better", Some(true)),
        Trend::Gone => ("gone", None),
        Trend::New => ("new", None),
        Trend::Changed => ("changed", None),
        Trend::Same => ("same", None),
    };
    let text = format!("{word:<MARK$}");
    good.map_or_else(|| text.clone(), |good| style.verdict(good, &text))
}

fn cells(change: &Change) -> [String; 6] {
    let unit = |text: String| format!("{text} {}", change.unit).trim_end().to_owned();
    let figure = |figure: Option<f64>| figure.map_or_else(|| "-".to_owned(), number);
    let signed = |change: f64| if change > 0.0 { format!("+{}", number(change)) } else { number(change) };
    [
        change.metric.clone(),
        plain(&change.place),
        figure(change.before),
        figure(change.after),
        change.change.map_or_else(String::new, |change| unit(signed(change))),
        change.percent.map_or_else(String::new, |percent| format!("{percent:+.0} %")),
    ]
}
