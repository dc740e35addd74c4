//! What one end of a call reported: `peer-cli`, or the call page in a browser.

use std::time::Duration;

use serde_json::{Value, json};

/// Which program is at one end.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum End {
    /// `peer-cli`.
    #[default]
    Cli,
    /// The call page in a browser.
    Page,
}

/// What one side reported.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Side {
    /// Who it is.
    pub end: End,
    /// The code of its verdict; `none` where there was no report. That of a page: `OK`, or `PAGE` and how it ended.
    pub code: String,
    /// Kinds of the candidates of its pair, local and remote.
    pub pair: Option<(String, String)>,
    /// From READY to its first connected pair.
    pub connected: Option<Duration>,
    /// Pictures it decoded.
    pub decoded: u64,
    /// Those among them that it read the far end's stamp in.
    pub stamped: u64,
}

impl Side {
    /// Reads a report of `peer-cli join --json`.
    pub fn read(report: &Value) -> Self {
        let phases = report.pointer("/peers/0/phases").and_then(Value::as_array);
        let at = |name: &str| {
            let phase = phases?.iter().find(|phase| phase["phase"] == name)?;
            phase["at_ms"].as_f64()
        };
        Self {
            end: End::Cli,
            code: text(report, "/verdict/code").unwrap_or_else(|| "none".to_owned()),
            pair: text(report, "/peers/0/pair/local").zip(text(report, "/peers/0/pair/remote")),
            connected: between(at("ready"), at("connected")),
            decoded: number(report, "/directions/0/video/decoded"),
            stamped: number(report, "/directions/0/video/stamped"),
        }
    }

    /// Reads what `tests/js/lab-page.mjs` tells of a call with the peer that stamps its pictures with `far`.
    pub fn read_page(told: &Value, far: u64) -> Self {
        let mark = |name: &str| told["snapshot"]["marks"][name].as_f64();
        let seen = text(told, "/end").unwrap_or_else(|| "none".to_owned());
        let peer = told.pointer("/snapshot/far/peer").and_then(Value::as_u64);
        let why = ["/error", "/snapshot/why"].into_iter().find_map(|pointer| text(told, pointer));
        let code = match (seen.as_str(), peer) {
            // The far end hangs up when it has seen enough; nothing but its own pictures will do.
            ("left", Some(peer)) if peer == far => "OK".to_owned(),
            ("left", peer) => format!("PAGE saw peer {peer:?}, not {far}"),
            (end, _) => format!("PAGE {end} {}", why.unwrap_or_default()).trim_end().to_owned(),
        };
        let kind = |side: &str| text(told, &format!("/snapshot/stats/pair/{side}/type"));
        Self {
            end: End::Page,
            code,
            pair: kind("local").zip(kind("remote")),
            connected: between(mark("ready"), mark("connected")),
            decoded: number(told, "/snapshot/far/pictures"),
            stamped: number(told, "/snapshot/far/stamped"),
        }
    }

    pub(super) fn reports_relay(&self) -> bool {
        self.pair.as_ref().is_some_and(|(local, remote)| local == "relay" || remote == "relay")
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "end": self.end.name(),
            "code": self.code,
            "pair": self.pair.as_ref().map(|(local, remote)| format!("{local}/{remote}")),
            "connected_ms": self.connected.map(milliseconds),
            "decoded": self.decoded,
            "stamped": self.stamped,
        })
    }
}

impl End {
    /// For people and machines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cli => "peer-cli",
            Self::Page => "page",
        }
    }
}

pub(super) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The time between two moments in milliseconds.
fn between(from: Option<f64>, to: Option<f64>) -> Option<Duration> {
    let (from, to) = from.zip(to)?;
    Duration::try_from_secs_f64((to - from).max(0.0) / 1e3).ok()
}

fn text(from: &Value, pointer: &str) -> Option<String> {
    from.pointer(pointer).and_then(Value::as_str).map(str::to_owned)
}

fn number(from: &Value, pointer: &str) -> u64 {
    from.pointer(pointer).and_then(Value::as_u64).unwrap_or_default()
}
