//! One call between two sites of the lab.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, bail};
use dialtone_tests::nat::{Bytes, Cell, Mode, Pair, Side};
use serde_json::Value;

/// Where the lab has its servers.
#[derive(Debug)]
pub(crate) struct Lab {
    server: String,
    stun: String,
    turn: Vec<String>,
    user: String,
    password: String,
    ca: String,
    /// For reports.
    folder: PathBuf,
    seconds: u32,
    any_path: bool,
    calls: AtomicU32,
}

impl Lab {
    /// What `scripts/nat-lab` tells its command.
    pub(crate) fn from_environment(seconds: u32, any_path: bool) -> anyhow::Result<Self> {
        let told = |name: &str| {
            env::var(name).with_context(|| format!("{name} is not set; run this inside scripts/nat-lab, see --help"))
        };
        let folder = env::temp_dir().join(format!("nat-matrix-{}", std::process::id()));
        fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        Ok(Self {
            server: told("LAB_SERVER")?,
            stun: told("LAB_STUN")?,
            turn: vec![told("LAB_TURN")?, told("LAB_TURN_TCP")?, told("LAB_TURNS")?],
            user: told("LAB_TURN_USER")?,
            password: told("LAB_TURN_PASSWORD")?,
            ca: told("LAB_CA")?,
            folder,
            seconds,
            any_path,
            calls: AtomicU32::new(0),
        })
    }

    /// Places a call and judges it.
    pub(crate) fn call(&self, mode: Mode, pair: Pair) -> anyhow::Result<Cell> {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        let sites = pair.sites();
        let before = [count(&sites[0])?, count(&sites[1])?];
        let reports = [0, 1].map(|side| self.folder.join(format!("{number}-{side}.json")));
        let room = format!("{}-{}-{number}", sites[0], sites[1]);
        let first = self.join(&sites[0], &room, mode, &reports[0])?;
        let second = self.join(&sites[1], &room, mode, &reports[1])?;
        let mut sides = [Side::default(), Side::default()];
        for ((side, file), mut child) in sides.iter_mut().zip(&reports).zip([first, second]) {
            child.wait()?;
            let report = fs::read(file).with_context(|| format!("{} has no report", file.display()))?;
            *side = Side::read(&serde_json::from_slice::<Value>(&report)?);
        }
        let after = [count(&sites[0])?, count(&sites[1])?];
        let sent =
            |n: usize| Bytes { relay: after[n].relay - before[n].relay, direct: after[n].direct - before[n].direct };
        Ok(Cell::judge(pair, mode, self.any_path, sides, [sent(0), sent(1)]))
    }

    fn join(&self, site: &str, room: &str, mode: Mode, report: &Path) -> anyhow::Result<Child> {
        let mut command = Command::new(format!("@{site}"));
        command.args(["peer-cli", "join", room, "--server", &self.server, "--tls-ca", &self.ca]);
        command.args(["--ice", &self.stun, "--size", "320x240", "--fps", "15", "--quiet"]);
        command.args(["--wait", "30s", "--connect-timeout", "15s", "--duration", &format!("{}s", self.seconds)]);
        if mode == Mode::Turn {
            for url in &self.turn {
                command.args(["--ice", url]);
            }
            command.args(["--ice-user", &self.user, "--ice-password", &self.password]);
        }
        command.arg(format!("--json={}", report.display()));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().with_context(|| format!("@{site} cannot be started; is there such a site?"))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // A folder of reports that stays behind in a temporary place harms nobody.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// What has left a site so far.
fn count(site: &str) -> anyhow::Result<Bytes> {
    let output = Command::new("lab-counters").arg(site).output().context("lab-counters cannot be started")?;
    if !output.status.success() {
        bail!("lab-counters {site} failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let told: Value = serde_json::from_slice(&output.stdout).context("lab-counters did not print JSON")?;
    let bytes = |name: &str| {
        told[name]["large_bytes"].as_u64().with_context(|| format!("lab-counters {site} tells nothing of {name}"))
    };
    Ok(Bytes { relay: bytes("relay")?, direct: bytes("direct")? })
}
