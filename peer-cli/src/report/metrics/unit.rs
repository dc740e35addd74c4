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

    /// A figure with its unit, such as `12.5 ms`.
    pub fn show(self, value: f64) -> String {
        let symbol = self.symbol();
        if symbol.is_empty() { number(value) } else { format!("{} {symbol}", number(value)) }
    }

    /// The smallest change between two runs that may mean something.
    pub(in crate::report) fn floor(self) -> f64 {
        match self {
            Self::Milliseconds => 5.0,
            Self::Seconds => 0.2,
            Self::Kbps => 20.0,
            Self::Percent => 0.5,
            Self::Decibels | Self::FullScale | Self::Fps => 1.0,
            Self::Megabytes => 5.0,
            Self::Bytes => 10_000.0,
            Self::Hertz => 3.0,
            Self::Pixels => 0.0,
            Self::Count => 2.0,
            Self::Ratio => 0.01,
            Self::Score => 0.1,
        }
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

/// A figure with as many digits as say something, without zeros at the end.
pub(in crate::report) fn number(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 1000.0 => 0,
        size if size >= 100.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text.as_str() };
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}
