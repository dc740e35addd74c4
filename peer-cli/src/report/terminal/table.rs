//! A table that fits a width: columns that say least go first, then words from the end.

/// The columns between a row's name and its words.
static COLUMNS: [Column; 7] = [
    Column { head: "codec", width: 6, left: true },
    Column { head: "packets", width: 8, left: false },
    Column { head: "lost", width: 6, left: false },
    Column { head: "decoded", width: 9, left: false },
    Column { head: "errors", width: 9, left: false },
    Column { head: "bitrate", width: 11, left: false },
    Column { head: "jitter", width: 10, left: false },
];

/// In which order columns go when there is not enough room: decoded, jitter, packets, codec, errors. Errors go
/// first where there are none; what was lost and the bitrate stay.
const LEAST_FIRST: [usize; 5] = [3, 6, 1, 0, ERRORS];
const ERRORS: usize = 4;

/// Before the columns: two blanks and the name of the row.
const NAME: usize = 8;

/// Between the columns and the words.
const GAP: &str = "  ";

struct Column {
    head: &'static str,
    width: usize,
    left: bool,
}

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) name: &'static str,
    /// One for each column; `None` where nothing was measured.
    pub(super) cells: [Option<String>; 7],
    /// What else there is to say, the most important first.
    pub(super) words: Vec<String>,
}

/// The head and the rows, each line as wide as `width` at most if that is possible at all.
pub(super) fn layout(rows: &[Row], width: usize) -> (String, Vec<String>) {
    let shown = choose(rows, width);
    let room = width.saturating_sub(NAME + taken(rows, &shown) + GAP.len());
    let mut head = " ".repeat(NAME);
    for &index in &shown {
        pad(&mut head, COLUMNS[index].head, wide(rows, index), COLUMNS[index].left);
    }
    if "seen and heard".len() <= room {
        head.push_str(GAP);
        head.push_str("seen and heard");
    }
    let lines = rows.iter().map(|row| {
        let mut line = format!("  {:<6}", row.name);
        for &index in &shown {
            let cell = row.cells[index].as_deref().unwrap_or("-");
            pad(&mut line, cell, wide(rows, index), COLUMNS[index].left);
        }
        line.push_str(GAP);
        line.push_str(&shortened(&row.words, room));
        line.trim_end().to_owned()
    });
    let lines = lines.collect();
    (head, lines)
}

/// The columns to show: those with a value somewhere, without the ones for which there is no room.
fn choose(rows: &[Row], width: usize) -> Vec<usize> {
    let mut shown: Vec<usize> =
        (0..COLUMNS.len()).filter(|&index| rows.iter().any(|row| row.cells[index].is_some())).collect();
    let words = rows.iter().map(|row| row.words.join(", ").chars().count()).max().unwrap_or_default();
    let clean = rows.iter().all(|row| row.cells[ERRORS].as_deref().is_none_or(|errors| errors == "0"));
    let order = clean.then_some(ERRORS).into_iter().chain(LEAST_FIRST);
    for least in order {
        if NAME + taken(rows, &shown) + GAP.len() + words <= width {
            break;
        }
        shown.retain(|index| *index != least);
    }
    shown
}

fn taken(rows: &[Row], shown: &[usize]) -> usize {
    shown.iter().map(|&index| wide(rows, index)).sum()
}

/// A column grows with its values and keeps a blank before them.
fn wide(rows: &[Row], index: usize) -> usize {
    let longest = rows.iter().filter_map(|row| row.cells[index].as_ref()).map(|cell| cell.chars().count()).max();
    COLUMNS[index].width.max(longest.unwrap_or_default() + 1)
}

fn pad(line: &mut String, text: &str, width: usize, left: bool) {
    let text = if left { format!("{text:<width$}") } else { format!("{text:>width$}") };
    line.push_str(&text);
}

/// As many of the words as there is room for, at least the first.
fn shortened(words: &[String], room: usize) -> String {
    let mut text = String::new();
    for clause in words {
        let comma = if text.is_empty() { "" } else { ", " };
        if !text.is_empty() && text.chars().count() + comma.len() + clause.chars().count() > room {
            break;
        }
        text.push_str(comma);
        text.push_str(clause);
    }
    text
}

/// Clauses in lines of at most `width`, each line indented; a clause is never broken.
pub(super) fn flow(clauses: &[String], indent: usize, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for clause in clauses {
        if let Some(line) = lines.last_mut() {
            line.push(';');
            if line.chars().count() + 1 + clause.chars().count() < width {
                line.push(' ');
                line.push_str(clause);
                continue;
            }
        }
        lines.push(format!("{}{clause}", " ".repeat(indent)));
    }
    lines
}
