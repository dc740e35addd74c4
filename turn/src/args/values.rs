//! Values as people write them: times, rates, port ranges, names.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use tracing_subscriber::EnvFilter;

/// What a name in a STUN message may have: fewer than 128 characters (RFC 8489 sections 14.9 and 14.14).
const LONGEST_NAME: usize = 127;

/// A length of time in whole seconds: `90`, `90s`, `10m` or `1h`; at most [`Span::LONGEST`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span(pub(crate) Duration);

impl Span {
    /// Far beyond any use, and far from where clocks overflow.
    const LONGEST: u64 = 30 * 24 * 3600;
    const UNITS: [(char, u64); 3] = [('h', 3600), ('m', 60), ('s', 1)];
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (digits, factor) = without_unit(text, &Self::UNITS);
        number(digits)
            .and_then(|count| count.checked_mul(factor))
            .filter(|seconds| *seconds <= Self::LONGEST)
            .map(|seconds| Self(Duration::from_secs(seconds)))
            .ok_or_else(|| "expected a time such as 90s, 10m or 1h, of at most 720h".to_owned())
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_with_unit(f, self.0.as_secs(), &Self::UNITS)
    }
}

/// Bits per second: `64000`, `800k`, `1.5M` or `2G`; 0 stands for no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BitRate(pub(crate) u64);

impl BitRate {
    /// Below this not even one voice passes, and a unit was most likely forgotten.
    const LEAST: u64 = 8000;
    const UNITS: [(char, u64); 4] = [('G', 1_000_000_000), ('M', 1_000_000), ('k', 1000), ('K', 1000)];
}

impl FromStr for BitRate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (digits, factor) = without_unit(text, &Self::UNITS);
        decimal(digits, factor).filter(|bits| *bits == 0 || *bits >= Self::LEAST).map(Self).ok_or_else(|| {
            "expected bits per second of at least 8k, such as 800k, 1.5M or 2G, or 0 for no limit".to_owned()
        })
    }
}

impl fmt::Display for BitRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_with_unit(f, self.0, &Self::UNITS)
    }
}

/// An address to listen on for clients.
pub(super) fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    address(text, "0.0.0.0:3478 for all that this machine has, or 127.0.0.1:3478")
}

/// An address to listen on for the operator.
pub(super) fn parse_admin(text: &str) -> Result<SocketAddr, String> {
    address(text, "127.0.0.1:9641")
}

/// An address that others are told.
pub(super) fn parse_exact(text: &str) -> Result<SocketAddr, String> {
    address(text, "198.51.100.7:3478 or [2001:db8::7]:3478")
}

fn address(text: &str, examples: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("expected an IP address (not a name) and a port, such as {examples}"))
}

/// A network, or a single address.
pub(super) fn parse_net(text: &str) -> Result<IpNet, String> {
    let net = text.parse::<IpNet>().ok();
    net.or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
        .ok_or_else(|| "expected a network or an address, such as 10.0.0.0/8, 10.0.0.1 or fd00::/8".to_owned())
}

/// A filter of log lines in its own spelling, without spaces between its parts.
///
/// A single word may be a level and nothing else. To the filter it could also be the name of something to log
/// everything of, so that a level with a typing error in it would silence all the rest.
pub(super) fn parse_log(text: &str) -> Result<String, String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let expected = || {
        let levels = LEVELS.join(", ");
        format!("expected `level` or `target=level`, separated by commas; a level is one of {levels}")
    };
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    let is_level = |part: &str| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(part));
    let unknown = parts.iter().find(|part| !part.is_empty() && !part.contains(['=', '[']) && !is_level(part));
    if let Some(word) = unknown {
        return Err(format!("`{word}` is no level: {}", expected()));
    }
    let filter = parts.join(",");
    if EnvFilter::try_new(&filter).is_err() {
        return Err(expected());
    }
    Ok(filter)
}

/// `FIRST-LAST`, both included.
pub(super) fn parse_ports(text: &str) -> Result<RangeInclusive<u16>, String> {
    text.split_once('-')
        .and_then(|(first, last)| Some((first.parse::<u16>().ok()?, last.parse::<u16>().ok()?)))
        .filter(|(first, last)| 0 < *first && first <= last)
        .map(|(first, last)| first..=last)
        .ok_or_else(|| "expected FIRST-LAST between 1 and 65535, such as 50000-59999".to_owned())
}

/// A realm: text that clients can be told.
pub(super) fn parse_realm(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("expected a name, such as example.org".to_owned());
    }
    parse_software(text)
}

/// The same, or nothing.
pub(super) fn parse_software(text: &str) -> Result<String, String> {
    if text.chars().count() > LONGEST_NAME || text.chars().any(char::is_control) {
        return Err(format!("expected at most {LONGEST_NAME} characters on one line"));
    }
    Ok(text.to_owned())
}

/// The text without its unit, and how much the unit stands for.
fn without_unit<'a>(text: &'a str, units: &[(char, u64)]) -> (&'a str, u64) {
    let found = units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(*unit)?, *factor)));
    found.unwrap_or((text, 1))
}

/// In the largest unit that leaves no fraction; zero and odd numbers have none.
fn write_with_unit(f: &mut fmt::Formatter<'_>, count: u64, units: &[(char, u64)]) -> fmt::Result {
    match units.iter().find(|(_, factor)| count != 0 && count.is_multiple_of(*factor)) {
        Some((unit, factor)) => write!(f, "{}{unit}", count / factor),
        None => write!(f, "{count}"),
    }
}

/// `text` with at most one decimal point, times `factor`; `None` when that is no whole number.
fn decimal(text: &str, factor: u64) -> Option<u64> {
    let Some((whole, fraction)) = text.split_once('.') else {
        return number(text)?.checked_mul(factor);
    };
    let scale = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let fraction = number(fraction)?.checked_mul(factor)?;
    if !fraction.is_multiple_of(scale) {
        return None;
    }
    number(whole)?.checked_mul(factor)?.checked_add(fraction / scale)
}

/// Digits and nothing else: `parse` alone would accept a leading plus.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|digit| digit.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_unit_and_written_in_the_largest() {
        for (text, seconds, written) in [
            ("0", 0, "0"),
            ("0s", 0, "0"),
            ("90", 90, "90s"),
            ("90s", 90, "90s"),
            ("600", 600, "10m"),
            ("10m", 600, "10m"),
            ("60m", 3600, "1h"),
            ("720h", Span::LONGEST, "720h"),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!(span, Span(Duration::from_secs(seconds)), "{text}");
            assert_eq!(span.to_string(), written);
            assert_eq!(written.parse(), Ok(span));
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "s", "-1", "+1", "1.5h", "1d", "1 m", "721h", "99999999999999999999h"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn rates_take_a_fraction_where_it_makes_whole_bits() {
        for (text, bits, written) in [
            ("0", 0, "0"),
            ("64000", 64_000, "64k"),
            ("800k", 800_000, "800k"),
            ("800K", 800_000, "800k"),
            ("5M", 5_000_000, "5M"),
            ("1.5M", 1_500_000, "1500k"),
            ("0.125G", 125_000_000, "125M"),
            ("8001", 8001, "8001"),
        ] {
            let rate: BitRate = text.parse().unwrap();
            assert_eq!(rate, BitRate(bits), "{text}");
            assert_eq!(rate.to_string(), written);
            assert_eq!(written.parse(), Ok(rate));
        }
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for text in ["", "M", "5Mbit", "5 M", "1.M", ".5M", "1.2.3M", "-5M", "5", "8.0001k", "99999999999G"] {
            assert!(text.parse::<BitRate>().is_err(), "{text}");
        }
    }

    #[test]
    fn port_range_is_first_to_last() {
        assert_eq!(parse_ports("1-65535"), Ok(1..=65_535));
        for text in ["", "5", "5-4", "0-4", "1-65536", "a-b"] {
            assert!(parse_ports(text).is_err(), "{text}");
        }
    }

    #[test]
    fn address_without_a_port_or_with_a_name_is_refused_with_an_example() {
        assert_eq!(parse_listen("[::]:3478"), Ok("[::]:3478".parse().unwrap()));
        for text in ["", "3478", ":3478", "localhost:3478", "127.0.0.1", "0.0.0.0:65536"] {
            let error = parse_listen(text).unwrap_err();
            for hint in ["an IP address", "a port", "0.0.0.0:3478", "127.0.0.1:3478"] {
                assert!(error.contains(hint), "{text}: {error}");
            }
            assert!(parse_admin(text).unwrap_err().contains("127.0.0.1:9641"));
            assert!(parse_exact(text).unwrap_err().contains("198.51.100.7:3478"));
        }
    }

    #[test]
    fn address_is_a_network_of_one() {
        for (text, net) in
            [("10.0.0.1", "10.0.0.1/32"), ("::1", "::1/128"), ("10.0.0.0/8", "10.0.0.0/8"), ("fd00::/8", "fd00::/8")]
        {
            assert_eq!(parse_net(text), Ok(net.parse().unwrap()), "{text}");
        }
        for text in ["", "10.0.0", "10.0.0.1/33", "10.0.0.1/", "host"] {
            assert!(parse_net(text).is_err(), "{text}");
        }
    }

    #[test]
    fn filter_is_levels_for_everything_or_for_a_part() {
        for (text, filter) in [
            ("info", "info"),
            ("WARN", "WARN"),
            ("off", "off"),
            ("info, dialtone_turn=debug", "info,dialtone_turn=debug"),
            ("dialtone_turn::relay=trace", "dialtone_turn::relay=trace"),
        ] {
            assert_eq!(parse_log(text).as_deref(), Ok(filter), "{text}");
        }
    }

    #[test]
    fn misspelt_level_is_refused_with_the_levels_there_are() {
        for text in ["inof", "info,debgu", "dialtone_turn", "dialtone_turn=inof"] {
            let error = parse_log(text).unwrap_err();
            assert!(error.contains("off, error, warn, info, debug, trace"), "{text}: {error}");
        }
    }

    #[test]
    fn realm_is_a_line_of_text() {
        assert_eq!(parse_realm("call.example"), Ok("call.example".to_owned()));
        for text in ["", "a\nb", "x".repeat(128).as_str()] {
            assert!(parse_realm(text).is_err(), "{text}");
        }
        assert_eq!(parse_software(""), Ok(String::new()));
    }
}
