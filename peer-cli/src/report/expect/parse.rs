//! From a text to an [`Expectation`].

use super::{Comparison, ExpectProblem, Expectation, did_you_mean, hint};
use crate::report::metrics::{self, Aggregate, Metric, Unit};

pub(super) fn expectation(text: &str, warning: bool) -> Result<Expectation, ExpectProblem> {
    let text = text.trim();
    let compares = |c: char| matches!(c, '<' | '>' | '=' | '!');
    let shape = || ExpectProblem::Shape { text: text.to_owned() };
    let begin = text.find(compares).ok_or_else(shape)?;
    let (name, rest) = text.split_at(begin);
    let end = rest.find(|c| !compares(c)).unwrap_or(rest.len());
    let (operator, value) = rest.split_at(end);
    let (name, value) = (name.trim(), value.trim());
    if name.is_empty() || value.is_empty() {
        return Err(shape());
    }
    let (metric, aggregate) = subject(name)?;
    let comparison = comparison(operator)?;
    let limit = limit(value, metric)?;
    Ok(Expectation { text: text.to_owned(), warning, metric, aggregate, comparison, limit })
}

fn subject(name: &str) -> Result<(&'static Metric, Option<Aggregate>), ExpectProblem> {
    if let Some(metric) = metrics::find(name) {
        return Ok((metric, None));
    }
    let (head, tail) = name.rsplit_once('.').unwrap_or((name, ""));
    let aggregate = Aggregate::find(tail);
    let Some(metric) = metrics::find(head) else {
        let meant = if aggregate.is_some() { head } else { name };
        let hint = metrics::nearest(meant).map_or_else(String::new, did_you_mean);
        return Err(ExpectProblem::Metric { name: meant.to_owned(), hint });
    };
    let Some(aggregate) = aggregate else {
        let hint = hint(tail, Aggregate::ALL.map(Aggregate::name));
        return Err(ExpectProblem::Aggregate { name: tail.to_owned(), metric: metric.name, hint });
    };
    Ok((metric, Some(aggregate)))
}

fn comparison(operator: &str) -> Result<Comparison, ExpectProblem> {
    let nearest = match operator {
        "<" => return Ok(Comparison::Below),
        "<=" => return Ok(Comparison::AtMost),
        ">" => return Ok(Comparison::Above),
        ">=" => return Ok(Comparison::AtLeast),
        "=" | "==" => return Ok(Comparison::Equal),
        "!=" => return Ok(Comparison::Other),
        other if other.contains('!') || other.contains("<>") => "!=",
        other if other.contains('<') && other.contains('=') => "<=",
        other if other.contains('>') && other.contains('=') => ">=",
        other if other.contains('<') => "<",
        other if other.contains('>') => ">",
        _ => "=",
    };
    Err(ExpectProblem::Operator { operator: operator.to_owned(), hint: did_you_mean(nearest) })
}

fn limit(value: &str, metric: &Metric) -> Result<f64, ExpectProblem> {
    let wrong = || ExpectProblem::Value { value: value.to_owned() };
    let end = value.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+'))).unwrap_or(value.len());
    let (number, unit) = value.split_at(end);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let unit = unit.trim();
    let factor = factor(metric.unit, unit).ok_or_else(|| ExpectProblem::Unit {
        unit: unit.to_owned(),
        metric: metric.name,
        hint: hint(unit, spellings(metric.unit).map(|(symbol, _)| symbol)),
        allowed: allowed(metric.unit),
    })?;
    let limit = number * factor;
    if limit.is_finite() { Ok(limit) } else { Err(wrong()) }
}

/// How many of the metric's own unit a written one is; `None` where it does not measure the same. Small and capital
/// letters are told apart only where both mean something, as in `kb/s` and `kB/s`.
fn factor(unit: Unit, written: &str) -> Option<f64> {
    if written.is_empty() {
        return Some(1.0);
    }
    if let Some((_, factor)) = spellings(unit).find(|(symbol, _)| *symbol == written) {
        return Some(factor);
    }
    let alike = |(symbol, _): &(&str, f64)| symbol.eq_ignore_ascii_case(written);
    if let Some((_, factor)) = unit.accepted().iter().copied().find(alike) {
        return Some(factor);
    }
    let mut others = unit.spelled().iter().copied().filter(alike).map(|(_, factor)| factor);
    let first = others.next()?;
    others.all(|other| other == first).then_some(first)
}

/// Everything that may be written for a unit, its own symbols first.
fn spellings(unit: Unit) -> impl Iterator<Item = (&'static str, f64)> {
    unit.accepted().iter().chain(unit.spelled()).copied()
}

fn allowed(unit: Unit) -> String {
    let symbols: Vec<_> = unit.accepted().iter().map(|(symbol, _)| *symbol).collect();
    match symbols.first() {
        Some(own) => format!("{}; none means {own}", symbols.join(", ")),
        None => "none, it is a bare number".to_owned(),
    }
}
