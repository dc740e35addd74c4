//! Words of others among marks of ours.

use crate::report::terminal::visible;

/// Text that means nothing to Markdown or HTML and turns nothing round, in one line.
pub(super) fn text(text: &str) -> String {
    let mut out = String::new();
    for c in visible(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '~' | '@' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}

/// The same in a cell of a table.
pub(super) fn cell(words: &str) -> String {
    text(words).replace('|', "\\|")
}

/// Text as it is, in the type of code, also in a cell of a table. HTML, as backticks know no escape.
pub(super) fn code(words: &str) -> String {
    format!("<code>{}</code>", cell(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_neither_marks_nor_lines_nor_turned_round() {
        assert_eq!(text("*a* <b>\n`c`"), "\\*a\\* &lt;b&gt; \\`c\\`");
        assert_eq!(cell("a|b"), "a\\|b");
        assert_eq!(text("\u{202e}live\u{2066}\u{1b}[2J"), "\u{fffd}live\u{fffd}\u{fffd}\\[2J");
    }
}
