//! The relay's certificate and key: read from their files, and read again when these have changed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::SystemTime;
use std::{fmt, fs};

use ring::digest::{SHA256, digest};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ClientHello;

use crate::config::TlsFiles;

/// The names a client may know TURN and NAT discovery by (ALPN, RFC 7443 section 4).
const PROTOCOLS: [&[u8]; 2] = [b"stun.turn", b"stun.nat-discovery"];

/// Why TLS cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate chain cannot be read.
    #[error("cannot read certificates in PEM form from {}: {reason}", .path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// What was wrong.
        reason: String,
    },
    /// The private key cannot be read.
    #[error("cannot read a private key in PEM form from {}: {reason}", .path.display())]
    PrivateKey {
        /// The file.
        path: PathBuf,
        /// What was wrong.
        reason: String,
    },
    /// Certificate and key are readable, but of no use together.
    #[error("certificate {} and key {} cannot be used together: {source}", .cert.display(), .key.display())]
    Unusable {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What was wrong.
        source: Box<rustls::Error>,
    },
}

/// Who the relay says it is. Shared by all workers; what it says can be exchanged while they run.
pub(crate) struct Identity {
    files: TlsFiles,
    serving: RwLock<Serving>,
    disk: Mutex<Disk>,
}

/// What a look at the files brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reloaded {
    /// Every handshake from now on shows a new certificate or uses a new key. Connections go on as they are.
    Changed,
    /// The files say what they said before.
    Unchanged,
}

impl Identity {
    /// Reads both files. Blocks.
    ///
    /// # Errors
    /// A file that cannot be read, or a certificate and a key that do not belong together.
    pub(crate) fn load(files: &TlsFiles) -> Result<Arc<Self>, TlsError> {
        // Looked at first: what is written while they are read is seen as a change later.
        let seen = Marks::of(files);
        let pair = Pair::read(files)?;
        let disk = Disk { seen, loaded: pair.digests(), failed: false };
        let serving = pair.serving(files)?;
        Ok(Arc::new(Self { files: files.clone(), serving: RwLock::new(serving), disk: Mutex::new(disk) }))
    }

    /// How to go on with a client that says `hello`.
    ///
    /// A client that asks for TURN by name is told that it has found it. One that asks for something else is served
    /// all the same: firewalls make clients pretend.
    pub(crate) fn server_config(&self, hello: &ClientHello<'_>) -> Arc<ServerConfig> {
        let by_name = hello.alpn().is_some_and(|mut names| names.any(|name| PROTOCOLS.contains(&name)));
        let serving = self.serving.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(if by_name { &serving.by_name } else { &serving.plain })
    }

    /// True when a file does not look as it did at the last [`load`](Self::load) or [`reload`](Self::reload), or could
    /// not be used then. Costs a look at the folder, no more.
    pub(crate) fn changed_on_disk(&self) -> bool {
        let disk = self.disk();
        disk.failed || Marks::of(&self.files) != disk.seen
    }

    /// Reads both files again. Blocks.
    ///
    /// # Errors
    /// As for [`load`](Self::load); what was served before is served on.
    pub(crate) fn reload(&self) -> Result<Reloaded, TlsError> {
        let mut disk = self.disk();
        // A file that could not be read now may be readable later and look the same.
        disk.failed = true;
        disk.seen = Marks::of(&self.files);
        let pair = Pair::read(&self.files)?;
        let digests = pair.digests();
        if digests == disk.loaded {
            disk.failed = false;
            return Ok(Reloaded::Unchanged);
        }
        let serving = pair.serving(&self.files)?;
        disk.loaded = digests;
        disk.failed = false;
        *self.serving.write().unwrap_or_else(PoisonError::into_inner) = serving;
        Ok(Reloaded::Changed)
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("files", &self.files).finish_non_exhaustive()
    }
}

/// One certificate and key, ready for handshakes. Both remember the same sessions, which end with them: a client does
/// not resume into a certificate that is no longer there.
struct Serving {
    plain: Arc<ServerConfig>,
    by_name: Arc<ServerConfig>,
}

/// What is known of the files.
struct Disk {
    seen: Marks,
    /// They could not be used when they were last read.
    failed: bool,
    /// Of the pair that is served.
    loaded: Digests,
}

/// Time of the last change and length of certificate and key; `None` for a file that is not there.
#[derive(PartialEq, Eq)]
struct Marks([Option<(SystemTime, u64)>; 2]);

impl Marks {
    fn of(files: &TlsFiles) -> Self {
        Self([mark(&files.cert), mark(&files.key)])
    }
}

fn mark(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// SHA-256 of certificate and key file.
#[derive(PartialEq, Eq)]
struct Digests([Vec<u8>; 2]);

/// The contents of both files.
struct Pair {
    cert: Vec<u8>,
    key: Vec<u8>,
}

impl Pair {
    fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let cert = fs::read(&files.cert).map_err(|error| bad_certificates(files, error.to_string()))?;
        let key = fs::read(&files.key).map_err(|error| bad_key(files, error.to_string()))?;
        Ok(Self { cert, key })
    }

    fn digests(&self) -> Digests {
        Digests([&self.cert, &self.key].map(|bytes| digest(&SHA256, bytes).as_ref().to_vec()))
    }

    /// `files` is where it came from, for whoever has to mend it.
    fn serving(&self, files: &TlsFiles) -> Result<Serving, TlsError> {
        let chain = CertificateDer::pem_slice_iter(&self.cert)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| bad_certificates(files, error.to_string()))?;
        if chain.is_empty() {
            return Err(bad_certificates(files, "there is none in it".to_owned()));
        }
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|error| bad_key(files, error.to_string()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let unusable =
            |error| TlsError::Unusable { cert: files.cert.clone(), key: files.key.clone(), source: Box::new(error) };
        // This also compares the key with the one the certificate is for.
        let plain = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(unusable)?;
        let mut by_name = plain.clone();
        by_name.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok(Serving { plain: Arc::new(plain), by_name: Arc::new(by_name) })
    }
}

fn bad_certificates(files: &TlsFiles, reason: String) -> TlsError {
    TlsError::Certificates { path: files.cert.clone(), reason }
}

fn bad_key(files: &TlsFiles, reason: String) -> TlsError {
    TlsError::PrivateKey { path: files.key.clone(), reason }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn pair_is_read_once_and_again_when_it_changes() {
        let folder = Folder::new();
        folder.write(&Made::new());
        let identity = Identity::load(&folder.files).unwrap();
        assert!(!identity.changed_on_disk());
        assert_eq!(identity.reload().unwrap(), Reloaded::Unchanged);

        folder.write(&Made::new());
        touch(&folder.files.cert, 1);
        assert!(identity.changed_on_disk());
        assert_eq!(identity.reload().unwrap(), Reloaded::Changed);
        assert!(!identity.changed_on_disk());
        assert_eq!(identity.reload().unwrap(), Reloaded::Unchanged);
    }

    #[test]
    fn file_that_was_only_touched_is_no_change() {
        let folder = Folder::new();
        folder.write(&Made::new());
        let identity = Identity::load(&folder.files).unwrap();
        touch(&folder.files.key, 1);
        assert!(identity.changed_on_disk());
        assert_eq!(identity.reload().unwrap(), Reloaded::Unchanged);
        assert!(!identity.changed_on_disk());
    }

    #[test]
    fn pair_in_the_middle_of_an_exchange_is_refused_once_and_taken_when_it_is_whole() {
        let folder = Folder::new();
        folder.write(&Made::new());
        let identity = Identity::load(&folder.files).unwrap();
        let before = Arc::clone(&identity.serving.read().unwrap().plain);

        let new = Made::new();
        fs::write(&folder.files.cert, &new.cert).unwrap();
        touch(&folder.files.cert, 1);
        assert!(identity.changed_on_disk());
        let error = identity.reload().unwrap_err();
        assert!(matches!(error, TlsError::Unusable { .. }), "{error}");
        for file in ["cert.pem", "key.pem"] {
            assert!(error.to_string().contains(file), "{error}");
        }
        assert!(Arc::ptr_eq(&before, &identity.serving.read().unwrap().plain), "the old pair is served on");
        assert!(identity.changed_on_disk(), "it may be whole by now, whatever it looks like");

        fs::write(&folder.files.key, &new.key).unwrap();
        touch(&folder.files.key, 2);
        assert!(identity.changed_on_disk());
        assert_eq!(identity.reload().unwrap(), Reloaded::Changed);
        assert!(!Arc::ptr_eq(&before, &identity.serving.read().unwrap().plain));
    }

    #[test]
    fn file_that_cannot_be_read_is_named() {
        let folder = Folder::new();
        let missing = Identity::load(&folder.files).unwrap_err();
        assert!(matches!(missing, TlsError::Certificates { .. }), "{missing}");
        assert!(missing.to_string().contains("cert.pem"), "{missing}");

        let made = Made::new();
        folder.write(&Made { cert: "no certificate".to_owned(), ..made.clone() });
        let none = Identity::load(&folder.files).unwrap_err();
        assert!(none.to_string().contains("there is none in it"), "{none}");

        folder.write(&Made { key: "no key".to_owned(), ..made });
        let none = Identity::load(&folder.files).unwrap_err();
        assert!(matches!(none, TlsError::PrivateKey { .. }), "{none}");
        assert!(none.to_string().contains("key.pem"), "{none}");
    }

    #[test]
    fn identity_shows_no_key() {
        let folder = Folder::new();
        folder.write(&Made::new());
        let shown = format!("{:?}", Identity::load(&folder.files).unwrap());
        assert!(shown.contains("cert.pem") && shown.len() < 1000, "{shown}");
    }

    /// A certificate for `localhost` that was made for one test.
    #[derive(Clone)]
    pub(in crate::io) struct Made {
        pub(in crate::io) der: CertificateDer<'static>,
        cert: String,
        key: String,
    }

    impl Made {
        pub(in crate::io) fn new() -> Self {
            let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
            Self { der: made.cert.der().clone(), cert: made.cert.pem(), key: made.signing_key.serialize_pem() }
        }
    }

    /// A folder for certificate and key, there as long as this lives.
    pub(in crate::io) struct Folder {
        pub(in crate::io) files: TlsFiles,
        path: PathBuf,
    }

    impl Folder {
        pub(in crate::io) fn new() -> Self {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("dialtone-turn-unit-{}-{number}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self { files: TlsFiles { cert: path.join("cert.pem"), key: path.join("key.pem") }, path }
        }

        pub(in crate::io) fn write(&self, made: &Made) {
            fs::write(&self.files.cert, &made.cert).unwrap();
            fs::write(&self.files.key, &made.key).unwrap();
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.path);
        }
    }

    /// Moves a file's time, in case the file system's clock has not moved between two writes.
    fn touch(path: &Path, hours: u64) {
        let file = fs::File::options().write(true).open(path).unwrap();
        let changed = file.metadata().unwrap().modified().unwrap();
        file.set_modified(changed + std::time::Duration::from_secs(hours * 3600)).unwrap();
    }
}
