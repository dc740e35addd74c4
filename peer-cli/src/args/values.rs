//! The values of options, read with errors that say what was expected.

use std::path::Path;
use std::time::Duration;

use dialtone_wire::{DisplayName, RoomId};

use crate::report::expect::Expectation;
use crate::signaling::ServerUrl;

/// What nobody waits for, and no clock fails to add.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// Whether a file on the command line stands for standard output.
pub(crate) fn is_stdout(path: &Path) -> bool {
    path.as_os_str() == "-"
}

pub(super) fn parse_server(text: &str) -> Result<ServerUrl, String> {
    ServerUrl::parse(text).map_err(|e| e.to_string())
}

pub(super) fn parse_room(text: &str) -> Result<RoomId, String> {
    RoomId::parse(text).map_err(|e| e.to_string())
}

pub(super) fn parse_name(text: &str) -> Result<DisplayName, String> {
    DisplayName::parse(text).map_err(|e| e.to_string())?.ok_or_else(|| "a name has at least one character".to_owned())
}

/// `5s`, `500ms`, `2m`, or a bare number of seconds.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a duration; write something like 5s, 500ms or 2m");
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "ms" => number / 1000.0,
        "" | "s" => number,
        "m" | "min" => number * 60.0,
        "h" => number * 3600.0,
        _ => return Err(wrong()),
    };
    let duration = Duration::try_from_secs_f64(seconds).map_err(|_| wrong())?;
    if duration > LONGEST { Err(format!("{text:?} is more than a year")) } else { Ok(duration) }
}

/// The same for something that has to go on for a while to be judged.
pub(super) fn parse_length(text: &str) -> Result<Duration, String> {
    let length = parse_duration(text)?;
    if length.is_zero() {
        return Err("in no time nothing comes that could be judged: write something like 5s, 500ms or 2m".to_owned());
    }
    Ok(length)
}

/// `640x480`: even numbers from 96 to 1920, since both codecs work on pairs of pixels.
pub(super) fn parse_size(text: &str) -> Result<(u32, u32), String> {
    let wrong = || format!("{text:?} is not a size; write something like 640x480, with even numbers from 96 to 1920");
    let (width, height) = text.split_once('x').ok_or_else(wrong)?;
    let side = |text: &str| text.parse().ok().filter(|n| (96..=1920).contains(n) && n % 2 == 0);
    side(width).zip(side(height)).ok_or_else(wrong)
}

/// `800k`, `2M`, or a bare number of bits per second.
pub(super) fn parse_bitrate(text: &str) -> Result<u32, String> {
    let wrong = || format!("{text:?} is not a bitrate from 50k to 50M; write something like 800k or 2M");
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let bits = match unit {
        "" => number,
        "k" | "K" => number * 1e3,
        "m" | "M" => number * 1e6,
        _ => return Err(wrong()),
    };
    if (50e3..=50e6).contains(&bits) { Ok(bits as u32) } else { Err(wrong()) }
}

/// Something that must hold, such as `video.freeze_ms<200`.
pub(super) fn parse_expectation(text: &str) -> Result<Expectation, String> {
    Expectation::parse(text, false).map_err(|error| error.to_string())
}

/// The same, and missing it is only a warning.
pub(super) fn parse_warning(text: &str) -> Result<Expectation, String> {
    Expectation::parse(text, true).map_err(|error| error.to_string())
}

/// Something like `https://call.example`: printable, without blanks, with a scheme.
pub(super) fn parse_origin(text: &str) -> Result<String, String> {
    let good = text == "null" || text.contains("://") && text.bytes().all(|byte| byte.is_ascii_graphic());
    if good {
        Ok(text.to_owned())
    } else {
        Err(format!("{text:?} is not an origin; write something like https://call.example"))
    }
}
