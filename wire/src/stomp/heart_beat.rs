//! Heart-beats: what each side can send and wants to get, and what follows from both (STOMP 1.2, "Heart-beating").

use std::fmt;
use std::time::Duration;

/// The two numbers of a `heart-beat` header, in milliseconds; 0 means never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HeartBeat {
    /// The sender of the header can send a heart-beat this often.
    pub can_send: u32,
    /// The sender of the header would like one this often.
    pub wants: u32,
}

/// A `heart-beat` header that is not two whole numbers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("heart-beat is two whole numbers of milliseconds, such as 10000,10000, and not {found:?}")]
pub struct InvalidHeartBeat {
    /// The header's value, cut at 32 characters.
    pub found: String,
}

impl HeartBeat {
    /// No heart-beats in either direction.
    pub const NONE: Self = Self { can_send: 0, wants: 0 };

    /// Reads a `heart-beat` header; none means no heart-beats.
    pub fn parse(header: Option<&str>) -> Result<Self, InvalidHeartBeat> {
        let Some(text) = header else { return Ok(Self::NONE) };
        let numbers = text.split_once(',').and_then(|(a, b)| Some((a.trim().parse().ok()?, b.trim().parse().ok()?)));
        match numbers {
            Some((can_send, wants)) => Ok(Self { can_send, wants }),
            None => Err(InvalidHeartBeat { found: text.chars().take(32).collect() }),
        }
    }

    /// How often `self` sends to a partner that asked for `partner.wants`: the slower of both; `None`: never.
    pub fn send_interval(self, partner: Self) -> Option<Duration> {
        interval(self.can_send, partner.wants)
    }

    /// How often `self` may expect to hear from `partner`; `None`: never.
    pub fn expect_interval(self, partner: Self) -> Option<Duration> {
        interval(partner.can_send, self.wants)
    }
}

impl fmt::Display for HeartBeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.can_send, self.wants)
    }
}

fn interval(sender: u32, receiver: u32) -> Option<Duration> {
    (sender > 0 && receiver > 0).then(|| Duration::from_millis(sender.max(receiver).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slower_of_offer_and_wish_counts_and_zero_switches_off() {
        let client = HeartBeat::parse(Some("4000,20000")).unwrap();
        let server = HeartBeat { can_send: 10_000, wants: 10_000 };
        assert_eq!(server.send_interval(client), Some(Duration::from_secs(20)));
        assert_eq!(server.expect_interval(client), Some(Duration::from_secs(10)));
        assert_eq!(server.send_interval(HeartBeat::NONE), None);
        assert_eq!(HeartBeat::NONE.expect_interval(client), None);
        assert_eq!(HeartBeat::parse(None), Ok(HeartBeat::NONE));
    }

    #[test]
    fn a_header_that_is_not_two_numbers_is_told() {
        for bad in ["", "1", "a,b", "-1,0", "1,2,3", "99999999999,1"] {
            assert!(HeartBeat::parse(Some(bad)).is_err(), "{bad}");
        }
    }
}
