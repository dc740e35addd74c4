//! Options that are given as environment variables. Their lists are cut as those of the file.

use std::ffi::{OsStr, OsString};

use clap::Command;

use super::{Setting, elements};

/// The command without its variables, and what these say. An empty one says nothing: that is how many tools that start
/// programs write down what is not set.
pub(super) fn environment(
    mut command: Command,
    variable: impl Fn(&OsStr) -> Option<OsString>,
) -> (Command, Vec<Setting>) {
    let (mut settings, mut read) = (Vec::new(), Vec::new());
    for arg in command.get_arguments() {
        let (Some(name), Some(option)) = (arg.get_env(), arg.get_long()) else {
            continue;
        };
        let id = arg.get_id().as_str().to_owned();
        match variable(name).map(OsString::into_string) {
            // What is no text is left to clap, and to its complaint.
            Some(Err(_)) => continue,
            Some(Ok(text)) if !text.is_empty() => settings.push(Setting {
                id: id.clone(),
                option: option.to_owned(),
                values: elements(arg, &text),
                confidential: arg.is_hide_env_values_set(),
            }),
            Some(Ok(_)) | None => {}
        }
        read.push(id);
    }
    for id in read {
        command = command.mut_arg(id, |arg| arg.env(None::<&'static str>));
    }
    (command, settings)
}
