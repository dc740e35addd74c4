//! What tests in real browsers need of the machine.

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What is missing for pages in these browsers, such as `chromium`, driven by the scripts of `tests/js`; `None`: nothing.
pub fn browser_lack(browsers: &[&str]) -> Option<String> {
    let packages = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("js/node_modules/playwright-core");
    let runs = |program: &str| {
        let found = Command::new(program).arg("--version").stdin(Stdio::null()).output();
        found.is_ok_and(|version| version.status.success())
    };
    if let Some(program) = browsers.iter().chain(&["node"]).find(|program| !runs(program)) {
        return Some(format!("{program} is not installed"));
    }
    (!packages.is_dir()).then(|| "its packages are not installed: npm ci --prefix tests/js".to_owned())
}
