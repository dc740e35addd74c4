//! How many characters a line has.

use std::io;

use terminal_size::{Width, terminal_size_of};

/// Characters in a line where nobody says how many there are.
const USUAL_WIDTH: usize = 100;

/// Fewer cannot hold a table.
pub(super) const LEAST_WIDTH: usize = 40;

/// Of standard output.
pub(super) fn stdout_width() -> usize {
    width(columns().as_deref(), terminal_size_of(io::stdout()).map(|(width, _)| width))
}

/// Of standard error.
pub(super) fn stderr_width() -> usize {
    width(columns().as_deref(), terminal_size_of(io::stderr()).map(|(width, _)| width))
}

fn columns() -> Option<String> {
    std::env::var("COLUMNS").ok()
}

/// What the environment says counts before what the terminal says, as POSIX has it (XBD section 8.3).
fn width(columns: Option<&str>, terminal: Option<Width>) -> usize {
    let said = columns.and_then(|columns| columns.trim().parse::<usize>().ok()).filter(|width| *width > 0);
    said.or_else(|| terminal.map(|Width(width)| usize::from(width))).unwrap_or(USUAL_WIDTH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_width_is_that_of_the_environment_or_of_the_terminal_or_the_usual_one() {
        let terminal = Some(Width(82));
        assert_eq!((width(Some("132"), terminal), width(Some("7"), None)), (132, 7));
        assert_eq!((width(None, terminal), width(Some("wide"), terminal), width(Some(""), terminal)), (82, 82, 82));
        assert_eq!((width(Some("0"), None), width(None, None)), (100, 100));
    }
}
