//! Names that nobody else writes to: two programs may record into one folder at the same time.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::RecordError;
use super::output::Output;

/// The names of one recording, and its two files that are there from the beginning.
pub(super) struct Claim {
    /// What the names of all its files begin with, in their folder.
    pub(super) stem: PathBuf,
    pub(super) packets: Output,
    pub(super) signaling: Output,
}

/// So many recordings of one name are enough for a folder.
const MOST: u32 = 9999;

/// Takes `name`, or where there is a recording of that name the first that is free of `name-2`, `name-3` and so on.
///
/// # Errors
/// [`RecordError::File`] and [`RecordError::NoName`].
pub(super) fn claim(dir: &Path, name: &str) -> Result<Claim, RecordError> {
    if let Some(claim) = attempt(&dir.join(name))? {
        return Ok(claim);
    }
    for number in 2..=MOST {
        if let Some(claim) = attempt(&dir.join(format!("{name}-{number}")))? {
            tracing::warn!(stem = %claim.stem.display(), "a recording of this peer is there already: beside it");
            return Ok(claim);
        }
    }
    Err(RecordError::NoName { path: dir.join(name) })
}

/// `None` where somebody has one of the names. The packets' file comes first: who made it has the others too.
fn attempt(stem: &Path) -> Result<Option<Claim>, RecordError> {
    let (packets_path, signaling_path) = (beside(stem, ".pcap"), beside(stem, "-signaling.jsonl"));
    let Some(packets) = create(&packets_path)? else { return Ok(None) };
    // The media file is made later, and nobody shall take the one of yesterday for it.
    let is_there = |rest: &&str| fs::symlink_metadata(beside(stem, rest)).is_ok();
    let signaling = if [".webm", ".mkv"].iter().any(is_there) { Ok(None) } else { create(&signaling_path) };
    match signaling {
        Ok(Some(signaling)) => Ok(Some(Claim { stem: stem.to_owned(), packets, signaling })),
        refused @ (Ok(None) | Err(_)) => {
            drop(packets);
            if let Err(error) = fs::remove_file(&packets_path) {
                tracing::warn!(path = %packets_path.display(), %error, "an empty file is left behind");
            }
            refused.map(|_| None)
        }
    }
}

fn create(path: &Path) -> Result<Option<Output>, RecordError> {
    match Output::create(path) {
        Ok(output) => Ok(Some(output)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
        Err(error) => Err(RecordError::File { path: path.to_owned(), reason: error.to_string() }),
    }
}

fn beside(stem: &Path, rest: &str) -> PathBuf {
    let mut name = stem.as_os_str().to_owned();
    name.push(rest);
    name.into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Barrier;
    use std::thread;

    use super::super::tests::Scratch;
    use super::*;

    fn stem(dir: &Path) -> String {
        claim(dir, "alice").unwrap().stem.file_name().unwrap().to_string_lossy().into_owned()
    }

    #[test]
    fn any_file_of_a_recording_keeps_its_name_for_itself() {
        for (number, rest) in [".pcap", "-signaling.jsonl", ".webm", ".mkv"].into_iter().enumerate() {
            let scratch = Scratch::new(&format!("claim-{number}"));
            fs::create_dir_all(&scratch.0).unwrap();
            fs::write(scratch.0.join(format!("alice{rest}")), b"old").unwrap();
            fs::write(scratch.0.join(format!("alice-2{rest}")), b"older").unwrap();
            assert_eq!(stem(&scratch.0), "alice-3", "{rest}");
            assert_eq!(scratch.read(&format!("alice{rest}")), b"old");
            assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 4, "nothing is left of the attempts");
        }
    }

    #[test]
    fn of_those_who_come_at_once_each_gets_a_name() {
        const MANY: usize = 8;
        let scratch = Scratch::new("claim-at-once");
        fs::create_dir_all(&scratch.0).unwrap();
        let ready = Barrier::new(MANY);
        let stems: BTreeSet<String> = thread::scope(|scope| {
            let claims: Vec<_> = (0..MANY)
                .map(|_| {
                    scope.spawn(|| {
                        ready.wait();
                        stem(&scratch.0)
                    })
                })
                .collect();
            claims.into_iter().map(|claim| claim.join().unwrap()).collect()
        });
        assert_eq!(stems.len(), MANY, "{stems:?}");
    }

    #[test]
    fn a_place_that_cannot_be_written_is_an_error_with_its_path() {
        let scratch = Scratch::new("claim-nowhere");
        let error = claim(&scratch.0.join("missing"), "alice").err().unwrap();
        assert!(matches!(&error, RecordError::File { path, .. } if path.ends_with("missing/alice.pcap")), "{error}");
    }
}
