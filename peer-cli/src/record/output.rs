//! One file of a recording. What cannot be written stops this file alone, and is told once.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::{RecordError, RecordedFile};

/// Where bytes go: a file, or what a test puts in its place.
pub(super) trait Target: Write + Seek + Send {}

impl<T: Write + Seek + Send> Target for T {}

/// A file being written.
pub(super) struct Output {
    path: PathBuf,
    /// `None` once writing has failed.
    target: Option<Box<dyn Target>>,
    bytes: u64,
    stopped: Option<String>,
}

impl Output {
    /// Makes the file, or empties the one that is there.
    pub(super) fn create(path: &Path) -> Result<Self, RecordError> {
        let file = File::create(path)
            .map_err(|error| RecordError::File { path: path.to_owned(), reason: error.to_string() })?;
        Ok(Self::over(path, Box::new(BufWriter::with_capacity(64 * 1024, file))))
    }

    /// The same, only that what goes wrong is told like a failed write.
    pub(super) fn open(path: &Path) -> Self {
        Self::create(path).unwrap_or_else(|error| {
            tracing::warn!(%error, "a recording is not made; the call goes on");
            Self { path: path.to_owned(), target: None, bytes: 0, stopped: Some(error.to_string()) }
        })
    }

    pub(super) fn over(path: &Path, target: Box<dyn Target>) -> Self {
        Self { path: path.to_owned(), target: Some(target), bytes: 0, stopped: None }
    }

    /// Adds to the end.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        let done = self.attempt(|target| target.write_all(bytes));
        self.bytes += if done { bytes.len() as u64 } else { 0 };
    }

    /// Writes over the beginning; the next [`append`](Self::append) goes to the end again.
    pub(super) fn write_start(&mut self, bytes: &[u8]) {
        let done = self.attempt(|target| {
            target.seek(SeekFrom::Start(0))?;
            target.write_all(bytes)?;
            target.seek(SeekFrom::End(0))?;
            Ok(())
        });
        if done {
            self.bytes = self.bytes.max(bytes.len() as u64);
        }
    }

    /// Whether nothing more will be written.
    pub(super) fn is_stopped(&self) -> bool {
        self.target.is_none()
    }

    /// Hands everything to the operating system.
    pub(super) fn flush(&mut self) {
        self.attempt(|target| target.flush());
    }

    /// Gives the file another extension.
    pub(super) fn rename(&mut self, extension: &str) {
        let path = self.path.with_extension(extension);
        if path != self.path {
            match std::fs::rename(&self.path, &path) {
                Ok(()) => self.path = path,
                Err(error) => tracing::warn!(path = %self.path.display(), %error, "a recording keeps its old name"),
            }
        }
    }

    /// Closes the file.
    pub(super) fn finish(mut self) -> RecordedFile {
        self.flush();
        if self.stopped.is_some() {
            // How much of the last writes went through, only the file knows.
            self.bytes = std::fs::metadata(&self.path).map_or(self.bytes, |file| file.len());
        }
        RecordedFile { path: self.path, bytes: self.bytes, stopped: self.stopped }
    }

    /// Whether `write` went well; after a failure nothing is tried again.
    fn attempt(&mut self, write: impl FnOnce(&mut dyn Target) -> io::Result<()>) -> bool {
        let Some(target) = &mut self.target else { return false };
        match write(&mut **target) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "a recording stops here; the call goes on");
                self.stopped = Some(error.to_string());
                self.target = None;
                false
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Cursor;

    use super::*;

    /// A disk with room for some bytes.
    pub(in super::super) struct SmallDisk {
        disk: Cursor<Vec<u8>>,
        room: usize,
    }

    impl SmallDisk {
        pub(in super::super) fn with_room(room: usize) -> Box<dyn Target> {
            Box::new(Self { disk: Cursor::default(), room })
        }
    }

    impl Write for SmallDisk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.disk.position() as usize + bytes.len() > self.room {
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            }
            self.disk.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Seek for SmallDisk {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.disk.seek(to)
        }
    }

    #[test]
    fn a_full_disk_stops_the_file_and_leaves_what_is_there() {
        let mut output = Output::over(Path::new("full"), SmallDisk::with_room(4));
        output.append(b"123");
        output.append(b"45");
        output.append(b"6");
        output.write_start(b"0");
        let file = output.finish();
        assert_eq!(file.bytes, 3, "nothing is written behind a hole");
        assert!(file.stopped.is_some());
    }

    #[test]
    fn the_beginning_is_written_again_and_the_end_goes_on() {
        let path = std::env::temp_dir().join(format!("dialtone-output-{}.tmp", std::process::id()));
        let mut output = Output::create(&path).unwrap();
        output.append(b"abc");
        output.write_start(b"X");
        output.append(b"d");
        let file = output.finish();
        assert_eq!(std::fs::read(&path).unwrap(), b"Xbcd");
        assert_eq!(file, RecordedFile { path: path.clone(), bytes: 4, stopped: None });
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_place_that_cannot_be_written_is_an_error_with_its_path() {
        let error = Output::create(&std::env::temp_dir()).err().unwrap();
        assert!(error.to_string().contains(&*std::env::temp_dir().to_string_lossy()), "{error}");
    }
}
