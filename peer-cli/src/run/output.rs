//! Reports into files, and out of them again.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::writable::{check_distinct, check_outputs};
use crate::args::{CommonArgs, DiffArgs, ReportArgs, is_stdout};
use crate::console;
use crate::report::{ReadError, Report, diff as compare, html, junit, markdown, terminal};

/// GitHub Actions names here the file to which a job adds its summary.
const STEP_SUMMARY: &str = "GITHUB_STEP_SUMMARY";

/// Why a report could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// Two options with one file.
    #[error("{first} and {second} both go to {path}; each needs a place of its own")]
    Twice {
        /// The first option.
        first: &'static str,
        /// The second one.
        second: &'static str,
        /// What both name.
        path: PathBuf,
    },
    /// A file that could not be written later, found before there was anything to write.
    #[error("{option} cannot write to {path}: {source}")]
    Unwritable {
        /// The option that names it.
        option: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// Writing.
    #[error("the report could not be written to {path}: {source}")]
    Write {
        /// Where to.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// Reading.
    #[error("{path} cannot be read: {source}")]
    Read {
        /// From where.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// Understanding.
    #[error("{path} cannot be used: {source}")]
    NoReport {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ReadError,
    },
}

impl OutputError {
    /// Whether the user can mend it on the command line.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Twice { .. } | Self::Unwritable { .. } | Self::Read { .. } | Self::NoReport { .. } => true,
            Self::Write { .. } => false,
        }
    }
}

/// Writes every form of the report that was asked for. In a GitHub workflow the summary is added to that of the job.
/// Gives an [`OutputError::Write`] for each one that could not be written; the others are there.
pub fn write_reports(report: &Report, args: &CommonArgs) -> Vec<OutputError> {
    let mut results = Vec::new();
    if let Some(path) = &args.json {
        results.push(write_json(report.to_json(), path));
    }
    if let Some(path) = &args.html {
        results.push(write(path, &html::render(report)));
    }
    if let Some(path) = &args.junit {
        results.push(write(path, &junit::render(report)));
    }
    match (&args.markdown, std::env::var_os(STEP_SUMMARY)) {
        (Some(path), _) => results.push(write(path, &markdown::render(report))),
        (None, Some(path)) if !path.is_empty() => {
            results.push(append(Path::new(&path), &markdown::render(report)));
        }
        (None, _) => {}
    }
    results.into_iter().filter_map(Result::err).collect()
}

/// Writes a JSON document to a file, or to standard output for `-`.
///
/// # Errors
/// [`OutputError::Write`]
pub fn write_json(mut document: String, to: &Path) -> Result<(), OutputError> {
    document.push('\n');
    write(to, &document)
}

/// Shows an old report: the terminal text, or the forms asked for, in which case the text says what was written where,
/// unless one of the forms is on standard output itself.
///
/// # Errors
/// See [`OutputError`].
pub fn show(args: &ReportArgs) -> Result<String, OutputError> {
    let outputs = [
        ("--html", args.html.as_deref()),
        ("--junit", args.junit.as_deref()),
        ("--markdown", args.markdown.as_deref()),
    ];
    check_outputs(&outputs)?;
    let named: Vec<_> = outputs.into_iter().chain([("FILE", Some(args.file.as_path()))]).collect();
    check_distinct(&named)?;
    let report = read(&args.file)?;
    let renders: [fn(&Report) -> String; 3] = [html::render, junit::render, markdown::render];
    let asked: Vec<_> = outputs.into_iter().zip(renders).filter_map(|((_, path), form)| Some((path?, form))).collect();
    if asked.is_empty() {
        return Ok(terminal::render(&report, console::stdout_style()));
    }
    for (path, render) in &asked {
        write(path, &render(&report))?;
    }
    if asked.iter().any(|(path, _)| is_stdout(path)) {
        return Ok(String::new());
    }
    Ok(asked.iter().map(|(path, _)| format!("wrote {}\n", path.display())).collect())
}

/// Compares two reports; the text for the terminal, empty when the comparison went elsewhere.
///
/// # Errors
/// See [`OutputError`].
pub fn diff(args: &DiffArgs) -> Result<String, OutputError> {
    check_outputs(&[("--json", args.json.as_deref())])?;
    let compared = compare::diff(&read(&args.before)?, &read(&args.after)?);
    match &args.json {
        Some(to) => {
            write_json(serde_json::to_string_pretty(&compared).unwrap_or_default(), to)?;
            Ok(String::new())
        }
        None => Ok(compare::render(&compared, console::stdout_style())),
    }
}

fn read(path: &Path) -> Result<Report, OutputError> {
    let text = fs::read_to_string(path).map_err(|source| OutputError::Read { path: path.to_owned(), source })?;
    Report::from_json(&text).map_err(|source| OutputError::NoReport { path: path.to_owned(), source })
}

fn write(path: &Path, text: &str) -> Result<(), OutputError> {
    let written =
        if is_stdout(path) { std::io::stdout().lock().write_all(text.as_bytes()) } else { fs::write(path, text) };
    written.map_err(|source| OutputError::Write { path: shown(path), source })
}

/// The path for people.
pub(super) fn shown(path: &Path) -> PathBuf {
    if is_stdout(path) { "standard output".into() } else { path.to_owned() }
}

fn append(path: &Path, text: &str) -> Result<(), OutputError> {
    let appended = OpenOptions::new().create(true).append(true).open(path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")
    });
    appended.map_err(|source| OutputError::Write { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use crate::report::terminal::Style;

    #[test]
    fn a_comparison_shows_whatever_the_reports_say_and_does_no_more() {
        let mut after = sample::failed();
        after.verdict.sentence = "refused: \u{1b}[2J\n::error::forged".to_owned();
        after.version = "1\u{9b}2J".to_owned();
        after.peers[0].name = "al\u{202e}ice".to_owned();
        let compared = compare::diff(&sample::healthy(), &after);
        let text = compare::render(&compared, Style { color: false, width: 120 });
        assert!(text.contains("refused: �[2J ::error::forged"), "{text}");
        assert!(!text.contains(|c: char| c != '\n' && (c.is_control() || c == '\u{202e}')), "{text:?}");
    }

    #[test]
    fn a_report_that_cannot_be_written_leaves_the_others() {
        let args = ["peer-cli", "call", "--json=/dev/full", "--html", "/dev/full", "--markdown", "/dev/null"];
        let args = <crate::args::Args as clap::Parser>::try_parse_from(args).unwrap();
        let crate::args::Command::Call(call) = args.command else { panic!("parsed as another command") };
        let lost = write_reports(&sample::healthy(), &call.common);
        let told: Vec<_> = lost.iter().map(ToString::to_string).collect();
        assert!(told.len() == 2 && told.iter().all(|told| told.contains("/dev/full")), "{told:?}");
        assert!(!lost[0].is_usage());
    }
}
