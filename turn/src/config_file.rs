//! One TOML file whose keys are the long options without their dashes.
//!
//! The options of the command line are the only list of keys there is, and each value is judged by the option's own
//! parser. The file stands behind the command line and the environment, and before the defaults.

mod environment;
mod fault;
#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory as _, FromArgMatches as _};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use self::environment::environment;
pub(crate) use self::fault::{ConfigFileError, Fault};
use crate::args::Args;

/// They would make no sense in a file, or are what leads to it.
const COMMAND_LINE_ONLY: [&str; 4] = ["config", "check-config", "help", "version"];
/// How alike a key and a known one have to be, from 0 to 1, for the one to be meant by the other.
const ALIKE: f64 = 0.7;

/// The options from everywhere.
pub(crate) struct Given {
    /// All of them.
    pub(crate) args: Args,
    /// The file, when it holds passwords or secrets.
    pub(crate) confidential: Option<PathBuf>,
}

impl Given {
    /// What this program was started with, with the environment and the files as they are now.
    ///
    /// # Errors
    /// See [`Given::read`].
    pub(crate) fn now() -> Result<Self, NotUnderstood> {
        let line = std::env::args_os().collect();
        Self::read(line, |name| std::env::var_os(name), |path| std::fs::read_to_string(path))
    }

    /// Reads the command line (the program's name first), the environment, and the file that either names.
    ///
    /// # Errors
    /// Help and version come as an error of clap's, too.
    pub(crate) fn read(
        line: Vec<OsString>,
        variable: impl Fn(&OsStr) -> Option<OsString>,
        read: impl Fn(&Path) -> io::Result<String>,
    ) -> Result<Self, NotUnderstood> {
        let (bare, variables) = environment(Args::command(), variable);
        let given = match bare.clone().try_get_matches_from(&line) {
            Ok(given) => given,
            // Help names the variables, too.
            Err(help) if help.kind() == ErrorKind::DisplayHelp => {
                return Err(Args::command().try_get_matches_from(line).err().unwrap_or(help).into());
            }
            Err(error) => return Err(error.into()),
        };
        let (command, line) = complete(bare.clone(), line, &given, variables);
        let given = command.clone().try_get_matches_from(&line)?;
        let args = Args::from_arg_matches(&given)?;
        let Some(path) = args.config_file().map(Path::to_owned) else {
            return Ok(Self { args, confidential: None });
        };
        let text = match read(&path) {
            Ok(text) => text,
            Err(source) => return Err(ConfigFileError::Read { path, source }.into()),
        };
        let settings = settings(&path, &text, &bare)?;
        let confidential = settings.iter().any(|setting| setting.confidential).then_some(path);
        let (command, line) = complete(command, line, &given, settings);
        let given = command.try_get_matches_from(line)?;
        Ok(Self { args: Args::from_arg_matches(&given)?, confidential })
    }
}

/// Why the options cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotUnderstood {
    /// The command line or the environment is at fault, or somebody asked for help.
    #[error(transparent)]
    Line(#[from] clap::Error),
    /// The file is at fault.
    #[error(transparent)]
    File(#[from] ConfigFileError),
}

impl NotUnderstood {
    /// For a log.
    pub(crate) fn in_one_line(&self) -> String {
        match self {
            Self::Line(error) => in_one_line(error),
            Self::File(error) => error.to_string(),
        }
    }
}

/// One key with what it stands for, good by itself.
struct Setting {
    /// Clap's name of the option.
    id: String,
    /// The key.
    option: String,
    /// One for each time that the option would be given.
    values: Vec<String>,
    /// Whether it must never be shown.
    confidential: bool,
}

/// Reads the text of the file at `path` as options of `command`.
fn settings(path: &Path, text: &str, command: &Command) -> Result<Vec<Setting>, ConfigFileError> {
    let at = |offset: usize, fault: Fault| {
        let line = 1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count();
        ConfigFileError::At { path: path.to_owned(), line, fault }
    };
    let table = DeTable::parse(text).map_err(|error| {
        // Its full text quotes the line, and a password may stand there.
        at(error.span().map_or(0, |span| span.start), Fault::Syntax(error.message().to_owned()))
    })?;
    let mut keys: Vec<_> = table.get_ref().iter().collect();
    // The first mistake is told first.
    keys.sort_by_key(|(key, _)| key.span().start);
    let mut settings = Vec::with_capacity(keys.len());
    for (key, value) in keys {
        let name: &str = key.get_ref();
        let arg = find(command, name, value).map_err(|fault| at(key.span().start, fault))?;
        let values = values(arg, name, value).map_err(|fault| at(value.span().start, fault))?;
        let setting = Setting {
            id: arg.get_id().as_str().to_owned(),
            option: name.to_owned(),
            values,
            confidential: arg.is_hide_env_values_set(),
        };
        judge(command, &setting).map_err(|fault| at(value.span().start, fault))?;
        settings.push(setting);
    }
    Ok(settings)
}

/// The option that a key stands for.
fn find<'a>(command: &'a Command, key: &str, value: &Spanned<DeValue<'_>>) -> Result<&'a Arg, Fault> {
    if COMMAND_LINE_ONLY.contains(&key) {
        return Err(Fault::CommandLineOnly { key: key.to_owned() });
    }
    let found = command.get_arguments().find(|arg| arg.get_long() == Some(key));
    found.ok_or_else(|| {
        let options = command.get_arguments().filter_map(Arg::get_long);
        let nearest = options
            .filter(|option| !COMMAND_LINE_ONLY.contains(option))
            .map(|option| (strsim::jaro_winkler(key, option), option))
            .filter(|(likeness, _)| *likeness > ALIKE)
            .max_by(|(a, _), (b, _)| a.total_cmp(b))
            .map(|(_, option)| option.to_owned());
        let key = key.to_owned();
        if matches!(value.get_ref(), DeValue::Table(_)) {
            Fault::Section { key, nearest }
        } else {
            Fault::Unknown { key, nearest }
        }
    })
}

/// What a key stands for, as the words that would follow the option.
fn values(arg: &Arg, key: &str, value: &Spanned<DeValue<'_>>) -> Result<Vec<String>, Fault> {
    let repeatable = matches!(arg.get_action(), ArgAction::Append);
    let expected = if repeatable { "a value or a list of values" } else { "one value" };
    let wrong = |found| Fault::Kind { key: key.to_owned(), expected, found };
    match value.get_ref() {
        DeValue::Array(_) if !repeatable => Err(wrong("a list")),
        // An element is one value, whatever is in it.
        DeValue::Array(list) => list.iter().map(|element| word(element.get_ref()).map_err(wrong)).collect(),
        DeValue::String(text) => Ok(elements(arg, text)),
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Table(_) => {
            Ok(vec![word(value.get_ref()).map_err(wrong)?])
        }
    }
}

/// One text as the values that it lists.
fn elements(arg: &Arg, text: &str) -> Vec<String> {
    match arg.get_value_delimiter() {
        // A text of lines may end with a line's end.
        Some('\n') => text.strip_suffix('\n').unwrap_or(text).split('\n').map(str::to_owned).collect(),
        Some(delimiter) => text.split(delimiter).map(|part| part.trim().to_owned()).collect(),
        None => vec![text.to_owned()],
    }
}

/// A value that is no list as a word of the command line, or the name of what it is.
fn word(value: &DeValue<'_>) -> Result<String, &'static str> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) => match i128::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Ok(number.to_string()),
            Err(_too_large) => Ok(number.to_string()),
        },
        DeValue::Float(number) => Ok(number.as_str().to_owned()),
        DeValue::Boolean(_) => Err("true or false"),
        DeValue::Datetime(_) => Err("a date or a time"),
        DeValue::Array(_) => Err("a list inside a list"),
        DeValue::Table(_) => Err("a section"),
    }
}

/// Lets the option's own parser look at each value.
fn judge(command: &Command, setting: &Setting) -> Result<(), Fault> {
    for value in &setting.values {
        let command = undelimited(command.clone(), &setting.id);
        let line = [command.get_name().to_owned(), word_for(&setting.option, value)];
        command.try_get_matches_from(line).map_err(|error| Fault::Value(in_one_line(&error)))?;
    }
    Ok(())
}

/// The command and its line with what the environment or the file adds: every option that was not given before.
fn complete(
    mut command: Command,
    mut line: Vec<OsString>,
    given: &ArgMatches,
    settings: Vec<Setting>,
) -> (Command, Vec<OsString>) {
    let mut added = Vec::new();
    for Setting { id, option, values, .. } in settings {
        if matches!(given.value_source(&id), Some(ValueSource::CommandLine | ValueSource::EnvVariable)) {
            continue;
        }
        // An empty list is an answer, too: it takes the default away.
        command = undelimited(command, &id).mut_arg(&id, |arg| arg.default_values(std::iter::empty::<&'static str>()));
        added.extend(values.iter().map(|value| OsString::from(word_for(&option, value))));
    }
    let behind_the_name = line.len().min(1);
    line.splice(behind_the_name..behind_the_name, added);
    (command, line)
}

/// The values of the environment and of a file are separate already.
fn undelimited(command: Command, id: &str) -> Command {
    command.mut_arg(id, |arg| arg.value_delimiter(None::<char>))
}

fn word_for(option: &str, value: &str) -> String {
    format!("--{option}={value}")
}

/// What clap says, without what only helps at a command line.
fn in_one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    first.trim().trim_start_matches("error: ").to_owned()
}
