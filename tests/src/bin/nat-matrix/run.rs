//! One call between two sites of the lab.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, bail};
use dialtone_tests::nat::{Bytes, Cell, Mode, Pair, Side};
use serde_json::Value;

/// Drives the page at one end of a call.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/js/lab-page.mjs");
/// How long media flows at least where a browser is at one end, in seconds: it begins slowly.
const BROWSER_SECONDS: u32 = 5;

/// Where the lab has its servers.
#[derive(Debug)]
pub(crate) struct Lab {
    server: String,
    stun: String,
    turn: Vec<String>,
    user: String,
    password: String,
    ca: String,
    /// The call page and its signaling.
    page: String,
    wss: String,
    /// For reports.
    folder: PathBuf,
    is_kept: bool,
    seconds: u32,
    calls: AtomicU32,
}

impl Lab {
    /// What `scripts/nat-lab` tells its command.
    pub(crate) fn from_environment(seconds: u32, reports: Option<PathBuf>) -> anyhow::Result<Self> {
        let told = |name: &str| {
            env::var(name).with_context(|| format!("{name} is not set; run this inside scripts/nat-lab, see --help"))
        };
        let is_kept = reports.is_some();
        let folder = reports.unwrap_or_else(|| env::temp_dir().join(format!("nat-matrix-{}", std::process::id())));
        fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        Ok(Self {
            server: told("LAB_SERVER")?,
            stun: told("LAB_STUN")?,
            turn: vec![told("LAB_TURN")?, told("LAB_TURN_TCP")?, told("LAB_TURNS")?],
            user: told("LAB_TURN_USER")?,
            password: told("LAB_TURN_PASSWORD")?,
            ca: told("LAB_CA")?,
            page: told("LAB_PAGE")?,
            wss: told("LAB_WSS")?,
            folder,
            is_kept,
            seconds,
            calls: AtomicU32::new(0),
        })
    }

    /// Places a call and judges it.
    pub(crate) fn call(&self, mode: Mode, pair: Pair) -> anyhow::Result<Cell> {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        let sites = pair.sites();
        let before = [count(&sites[0])?, count(&sites[1])?];
        let room = format!("{}-{}-{number}", sites[0], sites[1]);
        let files = [0, 1].map(|side| self.folder.join(format!("{room}.{side}.json")));
        // Every call has media of its own: nobody takes that of another one for his.
        let stamp = u64::from(1 + number % 126);
        let mut first = match mode {
            Mode::Stun | Mode::Turn => self.join(&sites[0], &room, mode, stamp, &files[0])?,
            Mode::Browser => self.open(&sites[0], &room, stamp, &files[0])?,
        };
        let mut second = self.join(&sites[1], &room, mode, stamp, &files[1])?;
        let second = Side::read(&report(&mut second, &files[1])?);
        let first = report(&mut first, &files[0])?;
        let first = match mode {
            Mode::Stun | Mode::Turn => Side::read(&first),
            // Of the two numbers of a call, the page has the odd one.
            Mode::Browser => Side::read_page(&first, 2 * stamp),
        };
        let sides = [first, second];
        let after = [count(&sites[0])?, count(&sites[1])?];
        let sent =
            |n: usize| Bytes { relay: after[n].relay - before[n].relay, direct: after[n].direct - before[n].direct };
        Ok(Cell::judge(pair, mode, sides, [sent(0), sent(1)]))
    }

    fn join(&self, site: &str, room: &str, mode: Mode, call: u64, report: &Path) -> anyhow::Result<Child> {
        let mut command = Command::new(format!("@{site}"));
        command.args(["peer-cli", "join", room, "--tls-ca", &self.ca, "--call-number", &call.to_string()]);
        command.args(["--size", "320x240", "--fps", "15", "--quiet"]);
        let (server, wait, connect, seconds) = match mode {
            Mode::Stun | Mode::Turn => (&self.server, "30s", "15s", self.seconds),
            Mode::Browser => (&self.wss, "90s", "25s", self.seconds.max(BROWSER_SECONDS)),
        };
        command.args(["--server", server, "--wait", wait, "--connect-timeout", connect]);
        command.args(["--duration", &format!("{seconds}s")]);
        match mode {
            Mode::Stun => {
                command.args(["--ice", &self.stun]);
            }
            Mode::Turn => {
                for url in [&self.stun].into_iter().chain(&self.turn) {
                    command.args(["--ice", url]);
                }
                command.args(["--ice-user", &self.user, "--ice-password", &self.password]);
            }
            // Its server names them to both.
            Mode::Browser => {}
        }
        command.arg(format!("--json={}", report.display())).stdout(Stdio::null());
        spawn(command, site)
    }

    /// The call page in a browser of its own, which ends with the call.
    fn open(&self, site: &str, room: &str, call: u64, report: &Path) -> anyhow::Result<Child> {
        let mut command = Command::new(format!("@{site}"));
        command.args(["node", PAGE, &format!("{}/r/{room}?media=pattern&peer={}", self.page, 2 * call + 1)]);
        command.stdout(File::create(report).with_context(|| format!("{} cannot be written", report.display()))?);
        spawn(command, site)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        // A folder of reports that stays behind in a temporary place harms nobody.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn spawn(mut command: Command, site: &str) -> anyhow::Result<Child> {
    command.stdin(Stdio::null()).stderr(Stdio::null());
    command.spawn().with_context(|| format!("@{site} cannot be started; is there such a site?"))
}

/// What one side has written at its end.
fn report(side: &mut Child, file: &Path) -> anyhow::Result<Value> {
    let status = side.wait()?;
    let report = fs::read(file).with_context(|| format!("there is no report: {status}"))?;
    serde_json::from_slice(&report).with_context(|| format!("its report cannot be read: {status}"))
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
