//! What figures are measured in, how they are written, and which way is good.

/// What a metric is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// Thousands of bits per second.
    Kbps,
    /// Percent; of a change, percentage points.
    Percent,
    /// Decibels of a ratio.
    Decibels,
    /// Decibels relative to full scale.
    FullScale,
    /// Pictures per second.
    Fps,
    /// Millions of bytes.
    Megabytes,
    /// Bytes.
    Bytes,
    /// Hertz.
    Hertz,
    /// Pixels.
    Pixels,
    /// Things counted.
    Count,
    /// A share between 0 and 1.
    Ratio,
    /// Mean opinion score, 1 to 5.
    Score,
}

impl Unit {
    /// As it is written behind a figure; empty for a bare number.
    pub fn symbol(self) -> &'static str {
        self.accepted().first().map_or("", |(symbol, _)| *symbol)
    }

    /// What may be written behind a figure to compare with, and how many of this unit it is. The first one is the unit
    /// itself.
    pub fn accepted(self) -> &'static [(&'static str, f64)] {
        match self {
            Self::Milliseconds => &[("ms", 1.0), ("s", 1000.0), ("us", 0.001)],
            Self::Seconds => &[("s", 1.0), ("ms", 0.001), ("us", 0.000_001)],
            Self::Kbps => &[("kbps", 1.0), ("Mbps", 1000.0), ("bps", 0.001)],
            Self::Percent => &[("%", 1.0)],
            Self::Decibels => &[("dB", 1.0)],
            Self::FullScale => &[("dBFS", 1.0), ("dB", 1.0)],
            Self::Fps => &[("fps", 1.0)],
            Self::Megabytes => &[("MB", 1.0), ("kB", 0.001), ("GB", 1000.0), ("B", 0.000_001)],
            Self::Bytes => &[("B", 1.0), ("kB", 1000.0), ("MB", 1_000_000.0), ("GB", 1_000_000_000.0)],
            Self::Hertz => &[("Hz", 1.0), ("kHz", 1000.0)],
            Self::Pixels => &[("px", 1.0)],
            Self::Count | Self::Ratio | Self::Score => &[],
        }
    }

    /// What may be written instead of [`Self::accepted`], and how many of this unit it is.
    pub(in crate::report) fn spelled(self) -> &'static [(&'static str, f64)] {
        match self {
            Self::Milliseconds => &[
                ("msec", 1.0),
                ("millisecond", 1.0),
                ("milliseconds", 1.0),
                ("sec", 1000.0),
                ("second", 1000.0),
                ("seconds", 1000.0),
                ("min", 60_000.0),
                ("\u{b5}s", 0.001),
                ("\u{3bc}s", 0.001),
                ("usec", 0.001),
            ],
            Self::Seconds => &[
                ("sec", 1.0),
                ("second", 1.0),
                ("seconds", 1.0),
                ("min", 60.0),
                ("msec", 0.001),
                ("milliseconds", 0.001),
                ("\u{b5}s", 0.000_001),
                ("\u{3bc}s", 0.000_001),
            ],
            Self::Kbps => &[
                ("kbit/s", 1.0),
                ("kb/s", 1.0),
                ("kbit", 1.0),
                ("Mbit/s", 1000.0),
                ("Mb/s", 1000.0),
                ("Mbit", 1000.0),
                ("Gbps", 1_000_000.0),
                ("Gbit/s", 1_000_000.0),
                ("bit/s", 0.001),
                ("b/s", 0.001),
                ("B/s", 0.008),
                ("kB/s", 8.0),
                ("kBps", 8.0),
                ("MB/s", 8000.0),
                ("MBps", 8000.0),
            ],
            Self::Percent => &[("percent", 1.0), ("pct", 1.0)],
            Self::Decibels | Self::FullScale => &[("decibel", 1.0), ("decibels", 1.0)],
            Self::Fps => &[("frames/s", 1.0)],
            Self::Megabytes => &[("MiB", 1.048_576), ("GiB", 1_073.741_824), ("KiB", 0.001_024), ("bytes", 0.000_001)],
            Self::Bytes => &[("KiB", 1024.0), ("MiB", 1_048_576.0), ("GiB", 1_073_741_824.0), ("bytes", 1.0)],
            Self::Hertz => &[("hertz", 1.0)],
            Self::Pixels => &[("pixel", 1.0), ("pixels", 1.0)],
            Self::Count | Self::Ratio | Self::Score => &[],
        }
    }

    /// A figure with its unit, such as `12.5 ms`.
    pub fn show(self, value: f64) -> String {
        let symbol = self.symbol();
        if symbol.is_empty() { number(value) } else { format!("{} {symbol}", number(value)) }
    }
}

/// Which way is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// Less is better.
    Lower,
    /// More is better.
    Higher,
    /// It only says how much there was.
    Neither,
}

impl Better {
    /// `lower`, `higher` or `-`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lower => "lower",
            Self::Higher => "higher",
            Self::Neither => "-",
        }
    }
}

/// Whether a figure can have been measured: a number, and none that only a damaged or hostile report has.
pub(in crate::report) fn plausible(value: f64) -> bool {
    value.abs() <= 1e15
}

/// A figure with as many digits as say something, without zeros at the end.
pub(in crate::report) fn number(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 1000.0 => 0,
        size if size >= 100.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    let text = fixed(value, decimals);
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text.as_str() };
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// A figure with so many digits behind the point; of an implausible one only its size, not its hundreds of digits.
pub(in crate::report) fn fixed(value: f64, decimals: usize) -> String {
    if plausible(value) { format!("{value:.decimals$}") } else { format!("{value:.0e}") }
}
