//! Numbers, times and names as a person reads them.

use crate::report::metrics::{fixed, plausible};

/// What stands where there is no value.
pub(super) const NONE: &str = "–";

/// A measured value in about three digits; thousands are set apart by a narrow space.
pub(super) fn number(value: f64) -> String {
    if !value.is_finite() {
        return NONE.to_owned();
    }
    let size = value.abs();
    let digits = match size {
        _ if size < 0.005 => 0,
        _ if size < 9.995 => 2,
        _ if size < 99.95 => 1,
        _ => 0,
    };
    decimals(value, digits)
}

/// A value with so many digits behind the point; of one that cannot have been measured its size alone.
pub(super) fn decimals(value: f64, digits: usize) -> String {
    if !plausible(value) {
        return fixed(value, 0);
    }
    let plain = format!("{:.digits$}", value.abs());
    let (whole, fraction) = plain.split_once('.').map_or((plain.as_str(), None), |(w, f)| (w, Some(f)));
    let sign = if value < 0.0 && plain.bytes().any(|b| matches!(b, b'1'..=b'9')) { "\u{2212}" } else { "" };
    let point = if fraction.is_some() { "." } else { "" };
    format!("{sign}{}{point}{}", grouped(whole), fraction.unwrap_or_default())
}

/// A count.
pub(super) fn count(n: u64) -> String {
    grouped(&n.to_string())
}

/// A value with its unit; a percent sign and a bare number need no more than that.
pub(super) fn quantity(value: f64, unit: &str) -> String {
    if unit.is_empty() { number(value) } else { format!("{}\u{a0}{unit}", number(value)) }
}

/// A length of time, in the unit that keeps it short.
pub(super) fn length(ms: f64) -> String {
    if !plausible(ms) {
        return NONE.to_owned();
    }
    if ms < 1_000.0 {
        return quantity(ms, "ms");
    }
    if ms < 119_950.0 {
        return format!("{}\u{a0}s", decimals(ms / 1000.0, if ms < 9_995.0 { 2 } else { 1 }));
    }
    let seconds = (ms / 1000.0).round() as u64;
    if seconds < 3600 {
        format!("{}\u{a0}min {:02}\u{a0}s", seconds / 60, seconds % 60)
    } else {
        format!("{}\u{a0}h {:02}\u{a0}min", seconds / 3600, seconds % 3600 / 60)
    }
}

/// Payload bytes in the unit that keeps them short.
pub(super) fn bytes(n: u64) -> String {
    match n {
        0..10_000 => format!("{}\u{a0}bytes", count(n)),
        10_000..10_000_000 => format!("{}\u{a0}kB", count(n / 1000)),
        10_000_000.. => format!("{}\u{a0}MB", number(n as f64 / 1e6)),
    }
}

/// At most so many characters, the last of them an ellipsis where something was cut off.
pub(super) fn shortened(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(limit.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// A noun with its count: `1 call`, `3 calls`.
pub(super) fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{}\u{a0}{}", count(n), if n == 1 { one } else { many })
}

fn grouped(digits: &str) -> String {
    // Four digits are read at a glance; a gap would only widen the column.
    if digits.len() < 5 {
        return digits.to_owned();
    }
    let mut out = String::with_capacity(digits.len() * 2);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_about_three_digits() {
        let found: Vec<String> = [0.0, 0.123, 9.994, 9.996, 12.34, 99.96, 123.4, 9876.0, 12_345.6].map(number).to_vec();
        assert_eq!(found, ["0", "0.12", "9.99", "10.0", "12.3", "100", "123", "9876", "12\u{202f}346"]);
        assert_eq!(number(f64::NAN), "–");
        assert_eq!((number(1e308), length(1e308), length(-1e300)), ("1e308".into(), "–".into(), "–".into()));
    }

    #[test]
    fn a_negative_number_has_a_real_minus_and_zero_has_none() {
        assert_eq!(number(-12.34), "\u{2212}12.3");
        assert_eq!(number(-0.001), "0");
        assert_eq!(decimals(-0.04, 1), "0.0");
    }

    #[test]
    fn lengths_take_the_unit_that_keeps_them_short() {
        let found: Vec<String> = [0.5, 812.0, 4_210.0, 12_340.0, 125_000.0, 7_500_000.0].map(length).to_vec();
        let expected = ["0.50 ms", "812 ms", "4.21 s", "12.3 s", "2 min 05 s", "2 h 05 min"];
        assert_eq!(found.iter().map(|text| text.replace('\u{a0}', " ")).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_long_name_is_cut_at_a_character() {
        assert_eq!(shortened("alice", 5), "alice");
        assert_eq!(shortened("müllerin", 4), "mül…");
    }
}
