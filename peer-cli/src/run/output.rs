//! Reports into files, and out of them again.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::args::{CommonArgs, DiffArgs, ReportArgs};
use crate::console;
use crate::report::{ReadError, Report, diff as compare, html, junit, markdown, terminal};

/// GitHub Actions names here the file to which a job adds its summary.
const STEP_SUMMARY: &str = "GITHUB_STEP_SUMMARY";

/// Why a report could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
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
        matches!(self, Self::Read { .. } | Self::NoReport { .. })
    }
}

/// Writes every form of the report that was asked for. In a GitHub workflow the summary is added to that of the job.
///
/// # Errors
/// [`OutputError::Write`] for the first one that failed; the others are written nevertheless.
pub fn write_reports(report: &Report, args: &CommonArgs) -> Result<(), OutputError> {
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
    results.into_iter().collect()
}

/// Writes a JSON document to a file, or to standard output for `-`.
///
/// # Errors
/// [`OutputError::Write`]
pub fn write_json(mut document: String, to: &Path) -> Result<(), OutputError> {
    document.push('\n');
    if to.as_os_str() == "-" {
        let written = std::io::stdout().lock().write_all(document.as_bytes());
        return written.map_err(|source| OutputError::Write { path: "standard output".into(), source });
    }
    write(to, &document)
}

/// Shows an old report: the terminal text, or the forms asked for, in which case the text says what was written.
///
/// # Errors
/// See [`OutputError`].
pub fn show(args: &ReportArgs) -> Result<String, OutputError> {
    let report = read(&args.file)?;
    let mut written = Vec::new();
    let forms = [
        (&args.html, html::render as fn(&Report) -> String),
        (&args.junit, junit::render),
        (&args.markdown, markdown::render),
    ];
    for (path, render) in forms {
        if let Some(path) = path {
            write(path, &render(&report))?;
            written.push(format!("wrote {}\n", path.display()));
        }
    }
    Ok(if written.is_empty() { terminal::render(&report, console::stdout_style()) } else { written.concat() })
}

/// Compares two reports; the text for the terminal, empty when the comparison went elsewhere.
///
/// # Errors
/// See [`OutputError`].
pub fn diff(args: &DiffArgs) -> Result<String, OutputError> {
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
    let text = std::fs::read_to_string(path).map_err(|source| OutputError::Read { path: path.to_owned(), source })?;
    Report::from_json(&text).map_err(|source| OutputError::NoReport { path: path.to_owned(), source })
}

fn write(path: &Path, text: &str) -> Result<(), OutputError> {
    std::fs::write(path, text).map_err(|source| OutputError::Write { path: path.to_owned(), source })
}

fn append(path: &Path, text: &str) -> Result<(), OutputError> {
    let appended = OpenOptions::new().create(true).append(true).open(path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")
    });
    appended.map_err(|source| OutputError::Write { path: path.to_owned(), source })
}
