//! A whole run: settings in, peers started, hung up at the right moment, report out.

use std::hash::{BuildHasher, RandomState};

use dialtone_wire::{DisplayName, RoomId};
use tokio::sync::watch;

use crate::args::{CallArgs, JoinArgs, SettingsError};
use crate::measure::SendLedger;
use crate::media::MediaError;
use crate::peer::News;
use crate::record::RecordError;
use crate::report::Report;
use crate::report::expect::Expectation;
use crate::signaling::{self, TlsConfigError};
use crate::verdict::{Expected, Wanted};

mod assemble;
mod conduct;
mod doctor;
mod host;
mod media;
mod output;
mod repeated;
mod usage;
mod writable;

use assemble::{Common, Findings, direction, expected};
use conduct::conduct;
pub use doctor::{CheckUpError, doctor, nat};
use host::Host;
use media::{Media, Voice};
pub use output::{OutputError, diff, show, write_json, write_reports};
use repeated::{Repeated, unstarted};
use usage::Used;
pub use writable::check_outputs;

pub use crate::clock::Started;

/// Why a run could not even begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// A setting.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A media file, or a pattern that cannot be drawn.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// A file of certificates.
    #[error(transparent)]
    Tls(#[from] TlsConfigError),
    /// A STUN or TURN url.
    #[error(transparent)]
    Ice(#[from] crate::rtc::IceUrlError),
    /// A folder to record into.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A file that could not be written in the end.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The embedded server or relay.
    #[cfg(feature = "embedded")]
    #[error(transparent)]
    Embedded(#[from] crate::embedded::EmbeddedError),
    /// A build without the embedded server was asked for a call without `--server`.
    #[error("this build has no embedded server; give one with --server ws://host:port/ws")]
    NoServer,
    /// The URL of the embedded server is none; that would be our own fault.
    #[error(transparent)]
    Url(#[from] signaling::UrlError),
}

impl RunError {
    /// Whether the user can mend it on the command line.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Settings(_) | Self::Media(_) | Self::Tls(_) | Self::Ice(_) | Self::Record(_) | Self::NoServer => true,
            #[cfg(feature = "embedded")]
            Self::Embedded(_) => false,
            Self::Output(error) => error.is_usage(),
            Self::Url(_) => false,
        }
    }
}

/// What a run shows while it goes on.
#[derive(Debug)]
pub enum Show<'a> {
    /// Something happened to a peer.
    News(&'a News),
    /// A line between two calls.
    Note(String),
}

/// Places the calls that `args` ask for between alice and bob, and judges them. `show` gets everything that happens,
/// `stop` hangs up early. Of several calls those that are over are kept, whatever becomes of the others.
///
/// # Errors
/// See [`RunError`]; no call has been placed then.
pub async fn calls(
    args: &CallArgs,
    started: Started,
    stop: watch::Receiver<bool>,
    mut show: impl FnMut(Show<'_>),
) -> Result<Report, RunError> {
    let expectations = args.common.expectations()?;
    writable::check_all(&args.common)?;
    if args.repeat <= 1 {
        let begun = (started, Used::default());
        return call(args, begun, &expectations, None, stop, |news| show(Show::News(news))).await;
    }
    let mut repeated = Repeated::new(args.repeat);
    for number in 1..=args.repeat {
        show(Show::Note(format!("call {number} of {}", args.repeat)));
        let now = crate::clock::now();
        let begun = Started { mono: now, unix: started.unix_at(now) };
        let placed =
            call(args, (begun, Used::so_far()), &[], Some(number), stop.clone(), |news| show(Show::News(news))).await;
        let report = match placed {
            Ok(report) => report,
            Err(error) if number == 1 => return Err(error),
            Err(error) => unstarted(args, begun, &error),
        };
        if *stop.borrow() {
            show(Show::Note(format!("call {number} of {} stopped", args.repeat)));
            repeated.cut_short(report);
            break;
        }
        let verdict = &report.verdict;
        let word = if verdict.ok { "passed" } else { "FAILED" };
        show(Show::Note(format!("call {number} of {} {word}: {}", args.repeat, verdict.sentence)));
        repeated.done(report);
    }
    Ok(repeated.judged(&expectations))
}

/// One call.
async fn call(
    args: &CallArgs,
    begun: (Started, Used),
    expectations: &[Expectation],
    number: Option<u32>,
    stop: watch::Receiver<bool>,
    show: impl FnMut(&News),
) -> Result<Report, RunError> {
    let [alice, bob] = Voice::pair(args.common.call_number.unwrap_or_else(random_call));
    let media = [Media::open(&args.common, alice)?, Media::open(&args.common, bob)?];
    let (embedded, url) = Host::choose(args.server.as_ref(), args.has_embedded_relay()).await?;
    let room = match &args.room {
        Some(room) => room.clone(),
        None => random_room(args.server.is_some()),
    };
    let mut common = Common::new(&args.common, begun, url, room, args.server.is_none())?;
    common.begin();
    if let (Some(number), Some(folder)) = (number, &mut common.record) {
        folder.push(format!("call-{number:03}"));
    }
    let [alice_media, bob_media] = media;
    let ledgers = [SendLedger::default(), SendLedger::default()];
    let name = |voice: Voice| DisplayName::parse(voice.name).ok().flatten();
    let mut setups = vec![
        common.setup((alice, alice_media), name(alice), Some(bob.stamp)),
        common.setup((bob, bob_media), name(bob), Some(alice.stamp)),
    ];
    for (at, setup) in setups.iter_mut().enumerate() {
        setup.sent = ledgers[at].clone();
        setup.heard = Some(ledgers[1 - at].clone());
    }
    let limit = args.common.timeout.map(|limit| limit + args.duration);
    let outcomes = conduct(setups, Some(args.duration), limit, stop, show).await?;
    let relay = embedded.relay_report();
    embedded.shutdown().await;
    let expected = expected(&args.common);
    let directions = vec![
        direction(&outcomes[0], &outcomes[1], expected, alice),
        direction(&outcomes[1], &outcomes[0], expected, bob),
    ];
    let findings = Findings { embedded: args.server.is_none(), outcomes, directions, expected, relay };
    Ok(common.report(findings, expectations))
}

/// Joins a room with one peer.
///
/// # Errors
/// See [`RunError`]; nothing has been started then.
pub async fn join(
    args: &JoinArgs,
    started: Started,
    stop: watch::Receiver<bool>,
    mut show: impl FnMut(Show<'_>),
) -> Result<Report, RunError> {
    let expectations = args.common.expectations()?;
    writable::check_all(&args.common)?;
    let [alice, _] = Voice::pair(args.common.call_number.unwrap_or_else(random_call));
    let me = Voice { name: "peer", ..alice };
    let media = Media::open(&args.common, me)?;
    let begun = (started, Used::default());
    let mut common = Common::new(&args.common, begun, args.server.clone(), args.room.clone(), false)?;
    common.begin();
    let setup = common.setup((me, media), args.name.clone(), None);
    let limit = args.common.timeout.map(|limit| limit + args.duration.unwrap_or_default());
    let outcomes = conduct(vec![setup], args.duration, limit, stop, |news| show(Show::News(news))).await?;
    let expected = Expected { video: Wanted::IfAny, audio: Wanted::IfAny, relay: args.common.relay_only };
    let mut received = outcomes[0].received.clone();
    "other".clone_into(&mut received.from);
    received.to.clone_from(&outcomes[0].name);
    let findings = Findings { embedded: false, outcomes, directions: vec![received], expected, relay: None };
    Ok(common.report(findings, &expectations))
}

/// A name that nobody else uses, where others could be on the same server.
fn random_room(shared_server: bool) -> RoomId {
    let dice = if shared_server { RandomState::new().hash_one(0) & 0xffff_ffff } else { 1 };
    #[expect(clippy::expect_used, reason = "letters, a dash and hexadecimal digits are a valid room id")]
    RoomId::parse(&format!("call-{dice:x}")).expect("a valid room id")
}

/// The number of a call, 1 to 126.
fn random_call() -> u8 {
    u8::try_from(RandomState::new().hash_one(1) % 126).unwrap_or_default() + 1
}
