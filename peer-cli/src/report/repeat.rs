//! Many calls as one report.

use std::collections::BTreeMap;

use super::metrics::{self, Metric, Reading, pool, spread};
use super::{RepeatReport, Report, RunReport};
use crate::measure::Distribution;
use crate::verdict::{Cause, Verdict};

/// Every verdict that the call works begins like this.
const WORKS: &str = "The call works: ";

/// Puts the calls of `--repeat` together. The report is that of the call that says most, the first one that failed or
/// else the last one, with [`Report::repeat`] about all of them and a sentence that begins with how many failed.
///
/// `metrics` of it holds under the name of each metric its spread over all peers, directions and calls. Of a metric that
/// is a spread in each direction already (latency, PSNR) it is as if all its values had been collected together, with
/// percentiles interpolated; the percentile that stands for each direction and call (see [`Metric::telling`]) is beside
/// it under `NAME.p95` or `NAME.p50`.
pub fn combine(reports: Vec<Report>) -> Report {
    let repeat = RepeatReport {
        asked: None,
        calls: reports.len() as u64,
        ok: reports.iter().filter(|report| report.verdict.ok).count() as u64,
        causes: causes(&reports),
        metrics: spreads(&reports),
        runs: reports.iter().map(run).collect(),
    };
    let telling = reports.iter().position(|report| !report.verdict.ok);
    let telling = telling.unwrap_or_else(|| reports.len().saturating_sub(1));
    let mut report = reports.into_iter().nth(telling).unwrap_or_else(no_call);
    report.verdict.sentence = sentence(&report.verdict, &repeat);
    report.repeat = Some(repeat);
    report
}

/// The same calls where expectations say how many of them may fail (see [`super::expect::decides_failures`]): those that
/// failed are told, and are no failure of the whole. Whether they are too many, the expectations say afterwards. Of a
/// single call, and where no call was placed, nothing changes.
pub fn tolerate(mut report: Report) -> Report {
    let Some(repeat) = report.repeat.as_ref().filter(|repeat| repeat.calls > 0 && !report.verdict.ok) else {
        return report;
    };
    let failed = repeat.runs.iter().find(|run| !works(&run.code));
    let first = failed.map_or_else(String::new, |run| format!("; the first that failed: {}", run.sentence));
    let facts = repeat.causes.iter().filter(|(code, _)| !works(code));
    report.verdict = Verdict {
        ok: true,
        code: Cause::Ok,
        sentence: format!("{} of {} calls work{first}", repeat.ok, repeat.calls),
        remedy: None,
        facts: facts.map(|(code, count)| format!("{count} of {} calls: {code}", repeat.calls)).collect(),
        exit_code: Cause::Ok.exit_code(),
    };
    report
}

/// Whether this is the code of a call that works.
pub(super) fn works(code: &str) -> bool {
    Cause::from_code(code).is_some_and(Cause::is_ok)
}

fn causes(reports: &[Report]) -> BTreeMap<String, u64> {
    let mut causes = BTreeMap::new();
    for report in reports {
        *causes.entry(report.verdict.code.code().to_owned()).or_default() += 1;
    }
    causes
}

fn run(report: &Report) -> RunReport {
    RunReport {
        started_unix_ms: report.started_unix_ms,
        duration_ms: report.duration_ms,
        code: report.verdict.code.code().to_owned(),
        sentence: report.verdict.sentence.clone(),
    }
}

fn spreads(reports: &[Report]) -> BTreeMap<String, Distribution> {
    let mut found = BTreeMap::new();
    for metric in metrics::all().iter().filter(|metric| !metric.counts_calls()) {
        let name = metric.name;
        if metric.is_spread() {
            let parts = parts(metric, reports);
            let telling = metric.telling();
            let each: Vec<f64> = parts.iter().map(|part| telling.of(part)).collect();
            found.extend(pool(&parts).map(|all| (name.to_owned(), all)));
            found.extend(spread(&each).map(|each| (format!("{name}.{}", telling.name()), each)));
        } else {
            found.extend(spread(&values(metric, reports)).map(|all| (name.to_owned(), all)));
        }
    }
    found
}

fn parts(metric: &Metric, reports: &[Report]) -> Vec<Distribution> {
    let samples = reports.iter().flat_map(|report| metric.values(report));
    let part = |reading| match reading {
        Reading::Spread(spread) => Some(spread),
        Reading::Value(_) => None,
    };
    samples.filter_map(|sample| part(sample.reading)).collect()
}

fn values(metric: &Metric, reports: &[Report]) -> Vec<f64> {
    let samples = reports.iter().flat_map(|report| metric.values(report));
    let value = |reading| match reading {
        Reading::Value(value) => Some(value),
        Reading::Spread(_) => None,
    };
    samples.filter_map(|sample| value(sample.reading)).collect()
}

/// What a single call says needs no number in front.
fn sentence(verdict: &Verdict, repeat: &RepeatReport) -> String {
    let (sentence, calls) = (&verdict.sentence, repeat.calls);
    if calls <= 1 {
        return sentence.clone();
    }
    if verdict.ok {
        return match sentence.strip_prefix(WORKS) {
            Some(rest) => format!("All {calls} calls work: {rest}"),
            None => format!("All {calls} calls work; the last: {sentence}"),
        };
    }
    format!("{} of {calls} calls failed; the first: {sentence}", calls - repeat.ok)
}

/// Stopped before the first call was over.
fn no_call() -> Report {
    let verdict = Verdict {
        ok: false,
        code: Cause::Interrupted,
        sentence: "No call was placed: there is nothing to judge.".to_owned(),
        remedy: Some("Let it run until media flows.".to_owned()),
        facts: vec!["0 calls were placed".to_owned()],
        exit_code: Cause::Interrupted.exit_code(),
    };
    Report::bare(verdict)
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn the_first_call_that_failed_speaks_for_all() {
        let report = combine(vec![sample::healthy(), sample::failed(), sample::healthy()]);
        let failed = sample::failed();
        let expected = format!("1 of 3 calls failed; the first: {}", failed.verdict.sentence);
        assert_eq!((report.verdict.sentence.as_str(), report.verdict.code), (expected.as_str(), Cause::NoMedia));
        let repeat = report.repeat.unwrap();
        assert_eq!((repeat.calls, repeat.ok), (3, 2));
        let causes: Vec<_> = repeat.causes.iter().map(|(code, count)| (code.as_str(), *count)).collect();
        assert_eq!(causes, [("NO_MEDIA", 1), ("OK", 2)]);
        assert_eq!(repeat.runs[1].sentence, failed.verdict.sentence);
    }

    #[test]
    fn calls_that_all_work_are_counted_and_the_last_one_is_shown() {
        let mut last = sample::healthy();
        last.room = "last".to_owned();
        let report = combine(vec![sample::healthy(), last]);
        assert_eq!(report.verdict.sentence, "All 2 calls work: decodable video and audible audio in both directions.");
        assert_eq!(report.room, "last");
    }

    #[test]
    fn one_call_says_what_it_said_before_and_none_is_no_success() {
        assert_eq!(combine(vec![sample::healthy()]).verdict, sample::healthy().verdict);
        let none = combine(Vec::new());
        assert!(!none.verdict.ok && none.repeat.is_some_and(|repeat| repeat.calls == 0));
    }

    #[test]
    fn calls_that_may_fail_are_told_and_fail_nothing() {
        let report = tolerate(combine(vec![sample::healthy(), sample::failed(), sample::healthy()]));
        let expected = format!("2 of 3 calls work; the first that failed: {}", sample::failed().verdict.sentence);
        let verdict = &report.verdict;
        assert_eq!((verdict.ok, verdict.code, verdict.exit_code, &verdict.remedy), (true, Cause::Ok, 0, &None));
        assert_eq!(
            (verdict.sentence.as_str(), &verdict.facts[..]),
            (expected.as_str(), &["1 of 3 calls: NO_MEDIA".to_owned()][..])
        );
        assert_eq!(report.peers, sample::failed().peers, "it is still about the call that says most");
    }

    #[test]
    fn a_single_call_and_none_at_all_are_never_tolerated() {
        assert_eq!(tolerate(sample::failed()), sample::failed());
        assert!(!tolerate(combine(Vec::new())).verdict.ok);
    }

    #[test]
    fn metrics_are_spread_over_peers_directions_and_calls() {
        let metrics = combine(vec![sample::healthy(), sample::healthy()]).repeat.unwrap().metrics;
        // alice 45.4 ms, bob 45.0 ms, each twice.
        let setup = metrics["setup_ms"];
        assert_eq!((setup.count, setup.min, setup.p50, setup.p95, setup.max), (4, 45.0, 45.0, 45.4, 45.4));
        // Both directions of both calls have the same 90 pictures.
        let latency = metrics["video.latency_ms"];
        assert_eq!((latency.count, latency.min, latency.p50, latency.p95, latency.max), (360, 8.0, 12.1, 15.0, 21.0));
        assert_eq!(metrics["video.latency_ms.p95"].count, 4);
        assert!(!metrics.contains_key("calls"));
    }
}
