//! Before the first call: whether what is asked for can be written. Nobody should wait for calls whose report is lost.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::output::{OutputError, shown};
use crate::args::{CommonArgs, is_stdout};

/// What names a file on the command line, such as `--json`, and the file.
pub(super) type Named<'a> = (&'static str, Option<&'a Path>);

/// Whether everything that a call is to leave behind can be written. The folder for recordings is made.
pub(super) fn check_all(args: &CommonArgs) -> Result<(), OutputError> {
    check_outputs(&[
        ("--json", args.json.as_deref()),
        ("--html", args.html.as_deref()),
        ("--junit", args.junit.as_deref()),
        ("--markdown", args.markdown.as_deref()),
    ])?;
    let Some(folder) = &args.record else { return Ok(()) };
    folder_takes_files(folder).map_err(|source| unwritable("--record", folder, source))
}

/// Whether each of the files can be written, and no two are the same. `-` is standard output. Nothing is changed: what
/// is in the files stays until there is something else to write.
///
/// # Errors
/// [`OutputError::Twice`] and [`OutputError::Unwritable`], for the first one.
pub fn check_outputs(outputs: &[Named<'_>]) -> Result<(), OutputError> {
    check_distinct(outputs)?;
    for &(option, path) in outputs {
        if let Some(path) = path.filter(|path| !is_stdout(path)) {
            takes_text(path).map_err(|source| unwritable(option, path, source))?;
        }
    }
    Ok(())
}

/// Whether no two names are for the same file.
pub(super) fn check_distinct(named: &[Named<'_>]) -> Result<(), OutputError> {
    let mut seen: Vec<(&'static str, PathBuf)> = Vec::new();
    for &(name, path) in named {
        let Some((path, place)) = path.and_then(|path| Some((path, place(path)?))) else { continue };
        if let Some(&(first, _)) = seen.iter().find(|(_, other)| *other == place) {
            return Err(OutputError::Twice { first, second: name, path: shown(path) });
        }
        seen.push((name, place));
    }
    Ok(())
}

/// What tells a file from others; `None` where it does not matter who else writes: to a pipe or a device.
fn place(path: &Path) -> Option<PathBuf> {
    if is_stdout(path) {
        return Some(path.to_owned());
    }
    match fs::metadata(path) {
        Ok(found) if !found.is_file() && !found.is_dir() => None,
        Ok(_) => Some(fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())),
        // Not there yet; its folder is.
        Err(_) => match (fs::canonicalize(folder_of(path)), path.file_name()) {
            (Ok(folder), Some(name)) => Some(folder.join(name)),
            (Err(_), _) | (_, None) => Some(path.to_owned()),
        },
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

fn takes_text(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(found) if found.is_file() => OpenOptions::new().write(true).open(path).map(drop),
        // To open a pipe may mean to wait for its reader, and to close it again would be the end of what is read.
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => comes_and_goes(path),
        Err(error) => Err(error),
    }
}

fn folder_takes_files(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    comes_and_goes(&folder.join(format!(".peer-cli-{}", std::process::id())))
}

/// Makes the file and takes it away again: an empty one would look like a report.
fn comes_and_goes(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(_) => fs::remove_file(path),
        // A link that leads nowhere yet, or somebody was quicker: the end will tell.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

fn unwritable(option: &'static str, path: &Path, source: io::Error) -> OutputError {
    OutputError::Unwritable { option, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of its own that goes away.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("peer-cli-writable-{name}-{}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn refused(outputs: &[Named<'_>]) -> String {
        let error = check_outputs(outputs).unwrap_err();
        assert!(error.is_usage());
        error.to_string()
    }

    #[test]
    fn what_is_in_a_file_stays_and_what_is_not_there_is_not_left_behind() {
        let scratch = Scratch::new("stays");
        let (old, new) = (scratch.0.join("old.json"), scratch.0.join("new.html"));
        fs::write(&old, "yesterday's").unwrap();
        check_outputs(&[("--json", Some(old.as_path())), ("--html", Some(new.as_path())), ("--junit", None)]).unwrap();
        assert_eq!(fs::read_to_string(&old).unwrap(), "yesterday's");
        assert!(!new.exists());
    }

    #[test]
    fn a_folder_that_is_not_there_and_one_in_place_of_a_file_are_told() {
        let scratch = Scratch::new("missing");
        let missing = scratch.0.join("nowhere/report.json");
        let told = refused(&[("--json", Some(missing.as_path()))]);
        assert!(told.starts_with("--json cannot write to ") && told.contains("nowhere/report.json"), "{told}");
        let told = refused(&[("--html", Some(scratch.0.as_path()))]);
        assert!(told.contains("directory"), "{told}");
    }

    #[test]
    fn two_outputs_in_one_place_are_told_however_they_are_written() {
        let scratch = Scratch::new("twice");
        let (plain, detour) = (scratch.0.join("out"), scratch.0.join("./out"));
        let told = refused(&[("--json", Some(plain.as_path())), ("--junit", None), ("--html", Some(detour.as_path()))]);
        assert!(told.starts_with("--json and --html both go to "), "{told}");
        let dash = Path::new("-");
        let told = refused(&[("--json", Some(dash)), ("--markdown", Some(dash))]);
        assert_eq!(told, "--json and --markdown both go to standard output; each needs a place of its own");
        let null = Path::new("/dev/null");
        check_outputs(&[("--json", Some(null)), ("--html", Some(null)), ("--junit", Some(dash))]).unwrap();
    }

    #[test]
    fn a_folder_for_recordings_is_made_and_left_empty() {
        let scratch = Scratch::new("record");
        let folder = scratch.0.join("a/b");
        folder_takes_files(&folder).unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        fs::write(scratch.0.join("file"), "").unwrap();
        assert!(folder_takes_files(&scratch.0.join("file")).is_err());
    }
}
