//! What can be wrong with a file of options. No message shows a value that clap would not show.

use std::io;
use std::path::PathBuf;

/// Why a file of options cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigFileError {
    /// It cannot be read.
    #[error("cannot read --config {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Something in it is wrong.
    #[error("{}:{line}: {fault}", .path.display())]
    At {
        /// The file.
        path: PathBuf,
        /// Where in it, from 1.
        line: usize,
        /// What is wrong.
        fault: Fault,
    },
}

/// What is wrong at one place of the file.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// It is not TOML.
    #[error("this is no TOML: {0}")]
    Syntax(String),
    /// No option has this name.
    #[error("unknown key `{key}`{} (the keys are the long options in --help)", before("; the nearest known one is ", .nearest.as_deref()))]
    Unknown {
        /// The key.
        key: String,
        /// What was meant, perhaps.
        nearest: Option<String>,
    },
    /// A section where only keys can be.
    #[error("unknown key `{key}`, and there are no sections: every key stands at the top{}", before(", such as ", .nearest.as_deref()))]
    Section {
        /// The section's name.
        key: String,
        /// What was meant, perhaps.
        nearest: Option<String>,
    },
    /// An option that the file cannot give.
    #[error("`{key}` belongs on the command line, not into a file: take it out")]
    CommandLineOnly {
        /// The key.
        key: String,
    },
    /// A list for one value, or something that is no value.
    #[error("`{key}` takes {expected} (text or numbers), and this is {found}")]
    Kind {
        /// The key.
        key: String,
        /// What it takes.
        expected: &'static str,
        /// What it was given.
        found: &'static str,
    },
    /// The option's own parser refuses the value.
    #[error("{0}")]
    Value(String),
}

fn before(words: &str, key: Option<&str>) -> String {
    key.map(|key| format!("{words}`{key}`")).unwrap_or_default()
}
