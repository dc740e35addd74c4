//! What others could see of this relay that is not meant for them.

use std::path::Path;

use dialtone_turn::Config;
use tracing::warn;

/// Says so when others can read the passwords in the file at `path`.
pub(crate) fn warn_if_readable_by_others(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let exposed = std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o077 != 0);
        if exposed {
            warn!(
                "{path} holds passwords or secrets, and others may read it: take that away (chmod 600 {path})",
                path = path.display()
            );
        }
    }
    #[cfg(not(unix))]
    let _ = path;
}

/// Says so when other machines can reach the operator's port.
pub(crate) fn warn_if_admin_is_open(config: &Config) {
    if config.admin.is_some_and(|at| !at.ip().to_canonical().is_loopback()) {
        warn!(
            "--admin is no loopback address: whoever reaches it can read metrics and health; give one such as \
             127.0.0.1:9641, or keep others out with a firewall"
        );
    }
}
