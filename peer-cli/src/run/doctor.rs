//! `peer-cli nat` and `peer-cli doctor`: found out, shown, written.

use std::io::{self, Write};
use std::path::Path;

use super::output::{OutputError, write_json};
use super::writable::check_outputs;
use crate::args::{DoctorArgs, NatArgs, is_stdout};
use crate::clock::Started;
use crate::console::stdout_style;
use crate::doctor::{self, Check, DoctorError, check_line, verdict_lines};
use crate::nat::{self, NatError};
use crate::report::terminal::Style;

/// Why there is nothing to show, or it could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckUpError {
    /// The NAT could not be asked about.
    #[error(transparent)]
    Nat(#[from] NatError),
    /// The doctor could not begin.
    #[error(transparent)]
    Doctor(#[from] DoctorError),
    /// A file that cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl CheckUpError {
    /// Whether the user can mend it on the command line.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Nat(_) => false,
            Self::Doctor(_) => true,
            Self::Output(error) => error.is_usage(),
        }
    }
}

/// What the NAT does: the text for the terminal, empty when the findings went elsewhere.
///
/// # Errors
/// See [`CheckUpError`]. Blocked UDP is a finding and no error.
pub async fn nat(args: &NatArgs) -> Result<String, CheckUpError> {
    check_outputs(&[("--json", args.json.as_deref())])?;
    let report = nat::probe(&args.server, args.timeout).await?;
    match &args.json {
        Some(path) => {
            write_json(report.to_json(), path)?;
            Ok(String::new())
        }
        None => Ok(nat::render(&report, stdout_style())),
    }
}

/// Looks at everything that calls need, and shows each check as it ends, on standard output, or on standard error where
/// the document goes to the former. Gives what to exit with; a document that could not be written in the end is told on
/// standard error, and counts where nothing else is wrong.
///
/// # Errors
/// See [`CheckUpError`].
pub async fn doctor(args: &DoctorArgs, started: Started) -> Result<u8, CheckUpError> {
    check_outputs(&[("--json", args.json.as_deref())])?;
    let mut paper = Paper::new(args.json.as_deref(), args.quiet);
    let report = doctor::examine(args, started, |check| paper.check(check)).await?;
    paper.verdict(&report.verdict);
    let written = args.json.as_deref().map_or(Ok(()), |path| write_json(report.to_json(), path));
    match (report.verdict.exit_code, written) {
        (code, Ok(())) => Ok(code),
        (0, Err(error)) => Err(error.into()),
        (code, Err(error)) => {
            // What was found out says more than that a file is missing.
            let _ = writeln!(io::stderr(), "error: {error}");
            Ok(code)
        }
    }
}

/// Where the doctor writes.
struct Paper {
    out: Box<dyn Write>,
    style: Style,
    quiet: bool,
}

impl Paper {
    fn new(json: Option<&Path>, quiet: bool) -> Self {
        let style = stdout_style();
        if json.is_some_and(is_stdout) {
            // Which may go anywhere; nobody needs colours there.
            return Self { out: Box::new(io::stderr()), style: Style { color: false, ..style }, quiet };
        }
        Self { out: Box::new(io::stdout()), style, quiet }
    }

    fn check(&mut self, check: &Check) {
        if !self.quiet {
            let line = check_line(check, self.style);
            self.line(&line);
        }
    }

    fn verdict(&mut self, verdict: &doctor::Verdict) {
        if !self.quiet {
            self.line("");
        }
        for line in verdict_lines(verdict, self.style) {
            self.line(&line);
        }
    }

    /// A reader that has gone away (`| head`) is no reason to stop.
    fn line(&mut self, text: &str) {
        let _ = writeln!(self.out, "{text}").and_then(|()| self.out.flush());
    }
}
