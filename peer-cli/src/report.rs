//! What a run has found out, as one value; every way to show it is a pure function of it.
//!
//! The JSON form is the value itself, with `schema` naming its version: fields may be added under the same version, and
//! are renamed or removed only under a new one. `report.schema.json` in this crate is its JSON Schema.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub mod diff;
pub mod expect;
pub mod html;
pub mod junit;
pub mod markdown;
mod media;
pub mod metrics;
mod peer;
pub mod repeat;
#[cfg(test)]
pub(crate) mod sample;
pub mod terminal;

use crate::measure::Distribution;
use crate::verdict::Verdict;

pub use media::{AudioReport, Direction, Snapshot, StreamReport, ToneStretch, UntilEnd, VideoReport};
pub use peer::{
    CandidateReport, Interruption, MessageStamp, PairReport, PairTried, PeerReport, PhaseStamp, ProbeOutcome,
    ProbeReport, RecordingFile, RecordingReport, Sent,
};

/// The version of the JSON document.
pub const SCHEMA: &str = "dialtone.report/1";

/// Everything about one run of `call` or `join`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// `dialtone.report/1`.
    pub schema: String,
    /// The version of the program that wrote it.
    pub version: String,
    /// When the run began, in milliseconds since 1970 (UTC).
    pub started_unix_ms: u64,
    /// How long the run took, in milliseconds.
    pub duration_ms: f64,
    /// The signaling server.
    pub server: String,
    /// Whether that server ran inside this process.
    pub embedded: bool,
    /// The room.
    pub room: String,
    /// How closely the media was looked at.
    #[serde(default)]
    pub judge: JudgeLevel,
    /// Whether the call works, and if not, why.
    pub verdict: Verdict,
    /// What was asked for with `--expect` and `--warn`, and what came of it; a recording that is not complete stands here
    /// too, as a warning.
    #[serde(default)]
    pub expectations: Vec<Checked>,
    /// What each of our peers did and saw, in order of their names.
    pub peers: Vec<PeerReport>,
    /// What arrived, one entry per direction.
    pub directions: Vec<Direction>,
    /// What the embedded relay counted; absent without one.
    pub relay: Option<RelayReport>,
    /// What this process used.
    #[serde(default)]
    pub process: Option<ProcessReport>,
    /// All calls of `--repeat`; the rest of the report is then about the call that says most: the first one that failed,
    /// or the last one.
    #[serde(default)]
    pub repeat: Option<RepeatReport>,
}

/// How closely the media is looked at.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum JudgeLevel {
    /// Count packets; the cheapest.
    Packets,
    /// Put frames together too: frame rate, freezes, key frames, latency.
    Frames,
    /// Decode everything: pictures and sound themselves are judged.
    #[default]
    Full,
}

/// An expectation and what came of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Checked {
    /// As it was written, such as `video.freeze_ms<200`.
    pub text: String,
    /// Whether missing it is only a warning.
    pub warning: bool,
    /// Whether it holds.
    pub ok: bool,
    /// What was measured, in the unit of the metric; absent when nothing was.
    pub value: Option<f64>,
    /// The unit of the metric, such as `ms`; empty for a bare number.
    pub unit: String,
    /// The outcome in one sentence.
    pub message: String,
}

/// What the embedded relay counted, from its side.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RelayReport {
    /// Its address.
    pub url: String,
    /// Allocations made during the run.
    pub allocations: u64,
    /// Payload bytes from clients to peers.
    pub bytes_to_peers: u64,
    /// Payload bytes from peers to clients.
    pub bytes_to_clients: u64,
}

/// What this process used for the run, with `--repeat` for this call: both peers of a `call`, and the server and relay
/// inside it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProcessReport {
    /// CPU time, in seconds.
    pub cpu_seconds: f64,
    /// CPU time over the time of the run, in percent of one core.
    pub cpu_percent: f64,
    /// The most memory that was resident, in megabytes (10^6 bytes); where the system cannot count that anew for each
    /// call of `--repeat`, up to the end of this one.
    pub peak_memory_mb: f64,
}

/// The calls of `--repeat` together.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RepeatReport {
    /// Calls asked for: more than `calls` where the run was stopped. Absent in reports of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<u64>,
    /// Calls placed; one during which the run was stopped is not counted, nor are its figures.
    pub calls: u64,
    /// Calls that worked.
    pub ok: u64,
    /// How often each verdict came, by its code.
    pub causes: BTreeMap<String, u64>,
    /// How each metric is spread over all peers, directions and calls.
    pub metrics: BTreeMap<String, Distribution>,
    /// The calls in order.
    pub runs: Vec<RunReport>,
}

/// One call of `--repeat`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunReport {
    /// When it began, in milliseconds since 1970 (UTC).
    pub started_unix_ms: u64,
    /// How long it took, in milliseconds.
    pub duration_ms: f64,
    /// The code of its verdict.
    pub code: String,
    /// The sentence of its verdict.
    pub sentence: String,
}

/// Why a file is no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Not JSON, or not of this shape.
    #[error("it is not a report of peer-cli: {0}; expected a file written with --json=FILE")]
    Json(#[from] serde_json::Error),
    /// Of another version.
    #[error("it is a {found:?}, and this version reads {SCHEMA:?}")]
    Schema {
        /// What it calls itself.
        found: String,
    },
}

impl Report {
    /// A report of nothing but a verdict: no call came so far as to have more.
    pub(crate) fn bare(verdict: Verdict) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_unix_ms: 0,
            duration_ms: 0.0,
            server: String::new(),
            embedded: false,
            room: String::new(),
            judge: JudgeLevel::default(),
            verdict,
            expectations: Vec::new(),
            peers: Vec::new(),
            directions: Vec::new(),
            relay: None,
            process: None,
            repeat: None,
        }
    }

    /// The JSON document.
    pub fn to_json(&self) -> String {
        // Only strings as keys and no failing impl: it cannot fail.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// Reads a JSON document that this or an earlier version wrote.
    pub fn from_json(text: &str) -> Result<Self, ReadError> {
        let value: serde_json::Value = serde_json::from_str(text)?;
        if let Some(found) = value.get("schema").and_then(serde_json::Value::as_str).filter(|found| *found != SCHEMA) {
            return Err(ReadError::Schema { found: found.to_owned() });
        }
        Ok(serde_json::from_value(value)?)
    }

    /// The peer of this name.
    pub fn peer(&self, name: &str) -> Option<&PeerReport> {
        self.peers.iter().find(|peer| peer.name == name)
    }
}

/// The JSON Schema of the report (draft 2020-12), as `report.schema.json` publishes it.
pub fn json_schema() -> String {
    schema_of::<Report>()
}

/// The JSON Schema of a document, as a file of its own.
pub(crate) fn schema_of<T: JsonSchema>() -> String {
    let schema = schemars::schema_for!(T);
    serde_json::to_string_pretty(&schema).unwrap_or_default() + "\n"
}
