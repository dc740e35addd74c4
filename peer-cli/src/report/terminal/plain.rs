//! Text that came from elsewhere, made fit for a terminal and for the log of a workflow.
//!
//! A server's refusal, a name in a room, a codec, an old report from a file: whoever wrote them may have put in what
//! moves a cursor, turns the reading direction round, or reads as a command to the program that collects our lines.

/// The text in one line that only shows: see [`visible`]. What GitHub would take for a workflow command (`::error …::`,
/// `##[group]`) is broken with a blank.
pub fn plain(text: &str) -> String {
    let text = visible(text).replace("##[", "## [");
    match text.trim_start().strip_prefix("::") {
        Some(rest) if is_command(rest) => format!(": :{rest}"),
        Some(_) | None => text,
    }
}

/// The text in one line: ends of lines and tabs are blanks, other control characters and those that change the reading
/// direction (Unicode's `Bidi_Control`) are `�`.
pub fn visible(text: &str) -> String {
    let shown = |c: char| match c {
        '\t' | '\n' | '\u{b}' | '\u{c}' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => ' ',
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    text.chars().map(shown).collect()
}

/// Whether `::` before it makes a command: its name has other letters than the groups of an IPv6 address.
fn is_command(rest: &str) -> bool {
    let mut name = rest.trim_start().chars().take_while(|c| c.is_ascii_alphabetic() || *c == '-');
    name.any(|c| !c.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_moves_the_cursor_or_turns_the_line_round() {
        assert_eq!(plain("go\u{1b}[2J\u{9b}1A\u{7}\u{8}\u{0}\u{7f}"), "go�[2J�1A����");
        assert_eq!(plain("two\r\nlines\tand\u{2028}three"), "two  lines and three");
        assert_eq!(plain("\u{202e}evil\u{2066}\u{200f}\u{61c}"), "�evil���");
        assert_eq!(plain("앨리스, Zoë, 😀 e\u{301}"), "앨리스, Zoë, 😀 e\u{301}");
    }

    #[test]
    fn nothing_is_a_command_of_a_workflow() {
        assert_eq!(plain("::error title=x::forged"), ": :error title=x::forged");
        assert_eq!(plain("  ::add-mask::x"), ": :add-mask::x");
        assert_eq!(plain("see ##[error]forged"), "see ## [error]forged");
        assert_eq!(plain("ok\n::error::forged"), "ok ::error::forged", "in the middle of a line it is none");
        for address in ["::1", "::ffff:192.0.2.1", "[::1]:3478", "fe80::1"] {
            assert_eq!(plain(address), address);
        }
    }
}
