//! From the words of the command line and the environment to [`Args`].

use std::ffi::{OsStr, OsString};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Error, FromArgMatches};

#[cfg(all(feature = "embedded", target_os = "linux"))]
use super::LoadCommand;
use super::{Args, Command};

/// What somebody sees who types nothing but the name of the program.
const LESSON: &str = "\
peer-cli answers one question: does the call work? It places real WebRTC calls,
judges what arrives, and says what broke.

Start here; nothing else needs to run:
  peer-cli call                      a whole call in this process: PASS or FAIL
  peer-cli call --html call.html     the same, and a page to look at

Then with a server of your own:
  peer-cli call --server ws://localhost:8080/ws      both sides of a call
  peer-cli join r1 --server ws://localhost:8080/ws   one side; a browser or a
                                                     second terminal the other
And in a pipeline:
  peer-cli call --repeat 20 --expect 'setup_ms.p95<500' --junit calls.xml

All commands and exit codes: peer-cli --help. All options: peer-cli call --help.
What --expect can ask for: peer-cli metrics.
";

impl Args {
    /// Reads a command line, the program's name first. A variable of the environment that is empty counts as unset.
    ///
    /// # Errors
    /// What there is to say instead of doing anything: the help, the version, or what cannot be used.
    pub fn read(line: impl IntoIterator<Item = OsString>) -> Result<Self, Error> {
        Self::read_with(line.into_iter().collect(), &|name| std::env::var_os(name))
    }

    fn read_with(line: Vec<OsString>, variable: &dyn Fn(&OsStr) -> Option<OsString>) -> Result<Self, Error> {
        let mut command = without_empty(Self::command(), variable);
        if line.len() <= 1 {
            command = command.override_help(LESSON);
        }
        let read = command.try_get_matches_from_mut(&line).and_then(|mut matches| {
            Self::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
        });
        let Some(word) = word_after_json(&line) else { return read };
        let tip = format!("to write the report to a file, write --json={}", word.to_string_lossy());
        match read {
            Ok(args) if args.took_for_a_name(word) => {
                let message = format!("{word:?} behind --json was taken for a name, not for a file\n\n  tip: {tip}");
                Err(command.error(ErrorKind::ValueValidation, message))
            }
            Ok(args) => Ok(args),
            Err(mut error) => {
                if is_about(&error, word) {
                    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
                }
                Err(error)
            }
        }
    }

    /// Whether a word that looks like a file has become the room or the server.
    fn took_for_a_name(&self, word: &OsStr) -> bool {
        let name = match &self.command {
            Command::Join(join) => join.room.as_str(),
            #[cfg(all(feature = "embedded", target_os = "linux"))]
            Command::Load(LoadCommand::Turn(load)) => load.server.as_str(),
            Command::Call(_)
            | Command::Metrics
            | Command::Schema(_)
            | Command::Report(_)
            | Command::Diff(_)
            | Command::Nat(_)
            | Command::Doctor(_) => {
                return false;
            }
        };
        name.ends_with(".json") && word == name
    }
}

/// The command, with the variables left out that say nothing: that is how many tools that start programs write down
/// what is not set.
fn without_empty(command: clap::Command, variable: &dyn Fn(&OsStr) -> Option<OsString>) -> clap::Command {
    let says_nothing = |name: &OsStr| variable(name).is_some_and(|value| value.is_empty());
    command
        .mut_args(|arg| if arg.get_env().is_some_and(says_nothing) { arg.env(None::<&'static str>) } else { arg })
        .mut_subcommands(|command| without_empty(command, variable))
}

/// The word behind a `--json` without a file of its own, which takes one with `=` only.
fn word_after_json(line: &[OsString]) -> Option<&OsStr> {
    let at = line.iter().position(|word| word == "--json")?;
    let word = line.get(at + 1)?;
    (!word.as_encoded_bytes().starts_with(b"-")).then_some(word.as_os_str())
}

/// Whether a word cannot be used in its place, or one too many is there and this one may be why.
fn is_about(error: &Error, word: &OsStr) -> bool {
    let said = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        Some(_) | None => None,
    };
    if error.kind() == ErrorKind::UnknownArgument {
        return said(ContextKind::InvalidArg).is_some_and(|arg| !arg.starts_with('-'));
    }
    said(ContextKind::InvalidValue).is_some_and(|value| word == value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str], variables: &[(&str, &str)]) -> Result<Args, Error> {
        let variable = |name: &OsStr| {
            let found = variables.iter().find(|(known, _)| name == *known)?;
            Some(OsString::from(found.1))
        };
        Args::read_with(["peer-cli"].iter().chain(words).map(OsString::from).collect(), &variable)
    }

    fn refused(words: &[&str]) -> String {
        let error = read(words, &[]).unwrap_err();
        assert!(error.use_stderr());
        error.to_string()
    }

    #[test]
    fn the_name_alone_teaches() {
        let lesson = refused(&[]);
        assert!(lesson.contains("Start here") && !lesson.contains("Options:"), "{lesson}");
        let help = read(&["--help"], &[]).unwrap_err();
        assert!(!help.use_stderr() && help.to_string().contains("Exit codes"));
    }

    #[test]
    fn a_file_after_json_without_an_equals_sign_is_told_how_to_write_it() {
        for words in [
            &["call", "--json", "out.json"][..],
            &["join", "--json", "out.json", "r1"],
            &["join", "--json", "out.json"],
            &["join", "r1", "--json", "out.json"],
            &["join", "--json", "out/r.json"],
            &["diff", "--json", "out.json", "a.json", "b.json"],
        ] {
            let told = refused(words);
            assert!(told.contains("tip: to write the report to a file, write --json=out"), "{words:?}: {told}");
        }
    }

    #[test]
    fn json_without_a_file_goes_to_standard_output_and_gets_no_advice() {
        assert!(read(&["call", "--json", "--duration", "1s"], &[]).is_ok());
        assert!(read(&["join", "--json", "r1"], &[]).is_ok());
        assert!(read(&["diff", "--json", "a.json", "b.json"], &[]).is_ok());
        assert!(!refused(&["join", "--json", "r1", "--fps", "0"]).contains("--json="));
        assert!(!refused(&["join", "--json", "r1", "--fsp", "1"]).contains("--json="));
    }

    #[test]
    fn an_empty_variable_counts_as_unset() {
        let names = |variables: &[(&str, &str)]| {
            let variable = |name: &OsStr| {
                let found = variables.iter().find(|(known, _)| name == *known)?;
                Some(OsString::from(found.1))
            };
            let command = without_empty(Args::command(), &variable);
            let call = command.find_subcommand("call").unwrap();
            let known = |arg: &clap::Arg| arg.get_env().map(|name| name.to_string_lossy().into_owned());
            command.get_arguments().chain(call.get_arguments()).filter_map(known).collect::<Vec<_>>()
        };
        let all = names(&[("PEER_CLI_SERVER", "ws://a/ws")]);
        let left = names(&[("PEER_CLI_SERVER", ""), ("PEER_CLI_LOG", ""), ("PEER_CLI_QUIET", "")]);
        let gone: Vec<_> = all.iter().filter(|name| !left.contains(name)).map(String::as_str).collect();
        assert_eq!(gone, ["PEER_CLI_LOG", "PEER_CLI_SERVER", "PEER_CLI_QUIET"]);
    }
}
