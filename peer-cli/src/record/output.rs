//! One file of a recording. What cannot be written stops this file alone, and is told once; what was written until then
//! stays, up to the last whole entry.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::RecordedFile;

/// Where bytes go: a file, or what a test puts in its place.
pub(super) trait Target: Write + Seek + Send {
    /// Takes away what is behind this length.
    fn cut(&mut self, length: u64) -> io::Result<()>;
}

impl Target for File {
    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
}

/// A file being written.
pub(super) struct Output {
    path: PathBuf,
    /// `None` once writing has failed.
    target: Option<Box<dyn Target>>,
    /// Whole entries that the operating system has not got yet.
    waiting: Vec<u8>,
    /// How many bytes it has got.
    bytes: u64,
    stopped: Option<String>,
}

/// This much is handed over without being told to.
const MOST_WAITING: usize = 64 * 1024;

impl Output {
    /// Makes a file where there was none.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let file = File::options().write(true).create_new(true).open(path)?;
        Ok(Self::over(path, Box::new(file)))
    }

    /// The same, only that what goes wrong is told like a failed write.
    pub(super) fn open(path: &Path) -> Self {
        Self::create(path).unwrap_or_else(|error| {
            tracing::error!(path = %path.display(), %error, "a recording is not made; the call goes on");
            Self { target: None, stopped: Some(error.to_string()), ..Self::nowhere(path) }
        })
    }

    pub(super) fn over(path: &Path, target: Box<dyn Target>) -> Self {
        Self { target: Some(target), ..Self::nowhere(path) }
    }

    fn nowhere(path: &Path) -> Self {
        Self { path: path.to_owned(), target: None, waiting: Vec::new(), bytes: 0, stopped: None }
    }

    /// Adds an entry to the end: all of it will be in the file, or nothing.
    pub(super) fn append(&mut self, entry: &[u8]) {
        if self.is_stopped() {
            return;
        }
        self.waiting.extend_from_slice(entry);
        if self.waiting.len() >= MOST_WAITING {
            self.flush();
        }
    }

    /// Writes over the beginning; the next [`append`](Self::append) goes to the end again.
    pub(super) fn write_start(&mut self, bytes: &[u8]) {
        self.flush();
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
        if self.waiting.is_empty() {
            return;
        }
        let waiting = std::mem::take(&mut self.waiting);
        if self.attempt(|target| target.write_all(&waiting)) {
            self.bytes += waiting.len() as u64;
        }
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
        RecordedFile { path: self.path, bytes: self.bytes, stopped: self.stopped }
    }

    /// Whether `write` went well; after a failure nothing is tried again.
    fn attempt(&mut self, write: impl FnOnce(&mut dyn Target) -> io::Result<()>) -> bool {
        let Some(mut target) = self.target.take() else { return false };
        match write(&mut *target) {
            Ok(()) => {
                self.target = Some(target);
                true
            }
            Err(error) => {
                tracing::error!(path = %self.path.display(), %error, "a recording stops here; the call goes on");
                self.stopped = Some(error.to_string());
                // Half of an entry is worse than none.
                if let Err(error) = target.cut(self.bytes) {
                    tracing::warn!(path = %self.path.display(), %error, "its last entry is not whole");
                }
                false
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Cursor;
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A disk with room for some bytes, which takes what still fits of a write before it says that it is full.
    pub(in super::super) struct SmallDisk {
        disk: Cursor<Vec<u8>>,
        room: usize,
        /// What is on it, for who looks at it from outside.
        seen: Arc<Mutex<Vec<u8>>>,
    }

    impl SmallDisk {
        pub(in super::super) fn with_room(room: usize) -> Box<dyn Target> {
            Self::seen(room).0
        }

        pub(in super::super) fn seen(room: usize) -> (Box<dyn Target>, Arc<Mutex<Vec<u8>>>) {
            let seen = Arc::<Mutex<Vec<u8>>>::default();
            (Box::new(Self { disk: Cursor::default(), room, seen: Arc::clone(&seen) }), seen)
        }

        fn show(&self) {
            self.seen.lock().unwrap().clone_from(self.disk.get_ref());
        }
    }

    impl Write for SmallDisk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let left = self.room.saturating_sub(self.disk.position() as usize);
            if left == 0 && !bytes.is_empty() {
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            }
            let written = self.disk.write(&bytes[..bytes.len().min(left)])?;
            self.show();
            Ok(written)
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

    impl Target for SmallDisk {
        fn cut(&mut self, length: u64) -> io::Result<()> {
            self.disk.get_mut().truncate(length as usize);
            self.show();
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_stops_the_file_behind_its_last_whole_entry() {
        let (disk, seen) = SmallDisk::seen(4);
        let mut output = Output::over(Path::new("full"), disk);
        output.append(b"123");
        output.flush();
        output.append(b"45");
        output.flush();
        assert!(output.is_stopped());
        output.append(b"6");
        output.write_start(b"0");
        let file = output.finish();
        assert_eq!((file.bytes, file.stopped.is_some()), (3, true));
        assert_eq!(*seen.lock().unwrap(), b"123", "half of an entry was on the disk, and is gone");
    }

    #[test]
    fn much_is_handed_over_without_being_told_to() {
        let (disk, seen) = SmallDisk::seen(1 << 20);
        let mut output = Output::over(Path::new("much"), disk);
        output.append(&[1; MOST_WAITING - 1]);
        assert!(seen.lock().unwrap().is_empty());
        output.append(&[2; 2]);
        assert_eq!(seen.lock().unwrap().len(), MOST_WAITING + 1);
    }

    /// A path that no other test has, without a file.
    fn free(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("dialtone-output-{name}-{}.tmp", std::process::id()));
        let _ = std::fs::remove_file(&path);
        path
    }

    #[test]
    fn the_beginning_is_written_again_and_the_end_goes_on() {
        let path = free("again");
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
    fn what_is_there_is_not_written_over() {
        let path = free("there");
        std::fs::write(&path, b"yesterday's").unwrap();
        assert_eq!(Output::create(&path).err().unwrap().kind(), io::ErrorKind::AlreadyExists);
        let mut output = Output::open(&path);
        output.append(b"today's");
        assert!(output.finish().stopped.is_some());
        assert_eq!(std::fs::read(&path).unwrap(), b"yesterday's");
        std::fs::remove_file(&path).unwrap();
    }
}
