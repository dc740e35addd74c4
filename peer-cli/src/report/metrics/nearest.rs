//! What somebody who mistyped a word most likely meant.

/// The candidate that resembles a word most; `None` when more than half of it would have to change. The part behind the
/// last dot counts for the whole, so that `fps` finds `video.fps`.
pub(in crate::report) fn nearest_of<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let limit = (word.chars().count() / 2).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(&word, &candidate.to_lowercase()), candidate))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= limit)
        .map(|(_, candidate)| candidate)
}

fn distance(word: &str, candidate: &str) -> usize {
    let whole = edits(word, candidate);
    let Some((_, tail)) = candidate.rsplit_once('.') else {
        return whole.min(begun(word, candidate));
    };
    whole.min(edits(word, tail) + 1).min(begun(word, candidate)).min(begun(word, tail))
}

/// Somebody who only began a word meant it, if there is no better guess.
fn begun(word: &str, candidate: &str) -> usize {
    if word.len() >= 3 && candidate.starts_with(word) { 1 } else { usize::MAX }
}

/// The letters to insert, delete or replace to come from one word to another (Levenshtein 1966).
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (above, letter) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = above + 1;
        for (column, other) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}
