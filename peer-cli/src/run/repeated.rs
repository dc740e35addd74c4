//! The calls of `--repeat`: what each of them brought, put together and judged.

use crate::args::CallArgs;
use crate::clock::{Started, millis, now};
use crate::report::expect::{self, Expectation};
use crate::report::{Report, repeat};
use crate::verdict::{Cause, Verdict};

use super::RunError;

/// What the calls have brought so far.
#[derive(Debug)]
pub(super) struct Repeated {
    asked: u32,
    done: Vec<Report>,
    /// The call during which somebody said stop: what it shows is not what it would have been.
    cut_short: Option<Report>,
}

impl Repeated {
    pub(super) fn new(asked: u32) -> Self {
        Self { asked, done: Vec::new(), cut_short: None }
    }

    pub(super) fn done(&mut self, report: Report) {
        self.done.push(report);
    }

    pub(super) fn cut_short(&mut self, report: Report) {
        self.cut_short = Some(report);
    }

    /// One report about all of them, held against what was asked for. Where fewer calls are over than were asked for,
    /// somebody said stop.
    pub(super) fn judged(self, expectations: &[Expectation]) -> Report {
        let Self { asked, done, cut_short } = self;
        let over = done.len();
        let stopped = u32::try_from(over).is_ok_and(|over| over < asked);
        let mut report = repeat::combine(done);
        if let Some(cut_short) = cut_short.filter(|_| over == 0) {
            // Nothing else is there to look at.
            report = Report { repeat: report.repeat, expectations: Vec::new(), ..cut_short };
        }
        if let Some(repeat) = &mut report.repeat {
            repeat.asked = Some(asked.into());
        }
        if over > 0 {
            report.expectations = expect::check(expectations, &report);
        }
        if stopped {
            report.verdict = interrupted(report.verdict, over, asked);
        } else if expect::decides_failures(expectations) {
            report = repeat::tolerate(report);
        }
        // One that is not good stays as it is.
        report.verdict = report.verdict.with_expectations(&report.expectations);
        report
    }
}

fn interrupted(verdict: Verdict, over: usize, asked: u32) -> Verdict {
    let cause = Cause::Interrupted;
    let sentence = match over {
        0 => format!("Stopped in the first of {asked} calls: there is nothing to judge."),
        _ => format!("Stopped after {over} of {asked} calls. {}", verdict.sentence),
    };
    let mut facts = vec![format!("{over} of {asked} calls were over; the one that was stopped is not counted")];
    if over > 0 {
        facts.extend(verdict.facts);
    }
    Verdict { ok: cause.is_ok(), code: cause, sentence, remedy: None, facts, exit_code: cause.exit_code() }
}

/// The report of a call that could not begin, though others before it could.
pub(super) fn unstarted(args: &CallArgs, begun: Started, error: &RunError) -> Report {
    let cause = Cause::EngineFailed;
    let why = error.to_string();
    let verdict = Verdict {
        ok: cause.is_ok(),
        code: cause,
        sentence: format!("The call could not be started: {}.", why.trim_end_matches('.')),
        remedy: Some(
            "Look for what has changed on this machine: the calls before this one could be started.".to_owned(),
        ),
        facts: vec![why],
        exit_code: cause.exit_code(),
    };
    Report {
        started_unix_ms: u64::try_from(begun.unix.as_millis()).unwrap_or(u64::MAX),
        duration_ms: millis(now().saturating_duration_since(begun.mono)),
        server: args.server.as_ref().map(ToString::to_string).unwrap_or_default(),
        embedded: args.server.is_none(),
        room: args.room.as_ref().map(ToString::to_string).unwrap_or_default(),
        judge: args.common.judge,
        ..Report::bare(verdict)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Args, Command};
    use crate::report::{RepeatReport, sample};

    fn repeated(asked: u32, done: Vec<Report>) -> Repeated {
        Repeated { done, ..Repeated::new(asked) }
    }

    fn expectations(texts: &[&str]) -> Vec<Expectation> {
        texts.iter().map(|text| Expectation::parse(text, false).unwrap()).collect()
    }

    fn counted(report: &Report) -> (Option<u64>, u64, u64) {
        let RepeatReport { asked, calls, ok, .. } = report.repeat.clone().unwrap();
        (asked, calls, ok)
    }

    #[test]
    fn a_stopped_run_counts_the_calls_that_were_over_and_says_so() {
        let mut run = repeated(20, vec![sample::healthy(), sample::healthy()]);
        run.cut_short(sample::failed());
        let report = run.judged(&expectations(&["setup_ms<500"]));
        assert_eq!(counted(&report), (Some(20), 2, 2));
        let metrics = report.repeat.as_ref().map(|repeat| repeat.metrics["setup_ms"].count);
        assert_eq!(metrics, Some(4), "two peers of two calls");
        assert!(report.expectations[0].ok);
        assert_eq!((report.verdict.code, report.verdict.exit_code), (Cause::Interrupted, 130));
        assert_eq!(
            report.verdict.sentence,
            "Stopped after 2 of 20 calls. All 2 calls work: decodable video and audible audio in both directions."
        );
        assert_eq!(report.verdict.facts, ["2 of 20 calls were over; the one that was stopped is not counted"]);
    }

    #[test]
    fn a_run_that_is_stopped_in_its_first_call_shows_that_call_and_judges_nothing() {
        let mut run = repeated(3, Vec::new());
        run.cut_short(sample::healthy());
        let report = run.judged(&expectations(&["setup_ms<500", "calls=3"]));
        assert_eq!(counted(&report), (Some(3), 0, 0));
        assert_eq!((report.verdict.exit_code, report.expectations.len()), (130, 0));
        assert_eq!(report.verdict.sentence, "Stopped in the first of 3 calls: there is nothing to judge.");
        assert_eq!(report.peers, sample::healthy().peers);
    }

    #[test]
    fn a_failed_call_fails_the_run_unless_it_is_asked_how_many_may_fail() {
        let calls = || repeated(3, vec![sample::healthy(), sample::failed(), sample::healthy()]);
        let asked = |texts: &[&str]| calls().judged(&expectations(texts)).verdict;
        assert_eq!(asked(&["setup_ms<500"]).code, Cause::NoMedia);
        let enough = asked(&["ok_percent>=60"]);
        assert_eq!((enough.ok, enough.code, enough.exit_code), (true, Cause::Ok, 0));
        assert!(enough.sentence.starts_with("2 of 3 calls work; "), "{enough:?}");
        let too_many = asked(&["failed_calls<1"]);
        assert_eq!((too_many.ok, too_many.code), (false, Cause::QualityBelowExpected));
        let slow = asked(&["ok_percent>=60", "setup_ms<10"]);
        assert_eq!((slow.code, slow.exit_code), (Cause::QualityBelowExpected, 18));
    }

    #[test]
    fn a_call_that_could_not_be_started_is_a_failed_one_among_the_others() {
        let args = Args::try_parse_from(["peer-cli", "call", "--repeat", "2", "--room", "r"]).unwrap();
        let Command::Call(args) = args.command else { panic!("parsed as another command") };
        let begun = Started { mono: now(), unix: std::time::Duration::from_secs(1) };
        let report = unstarted(&args, begun, &RunError::NoServer);
        assert_eq!((report.started_unix_ms, report.room.as_str()), (1000, "r"));
        let all = repeated(2, vec![sample::healthy(), report]).judged(&[]);
        assert_eq!(counted(&all), (Some(2), 2, 1));
        assert_eq!((all.verdict.code, all.verdict.exit_code), (Cause::EngineFailed, 13));
        assert!(
            all.verdict
                .sentence
                .starts_with("1 of 2 calls failed; the first: The call could not be started: this build"),
            "{}",
            all.verdict.sentence
        );
    }
}
