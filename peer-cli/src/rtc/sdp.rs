//! The few lines of a session description this module reads or rewrites (RFC 8866, RFC 9429).
//!
//! Text in, text out: the stack has its own parser for everything else, and a rewritten line must leave the rest of
//! the description byte for byte as the stack made it.

use std::collections::BTreeMap;

use super::{MediaKind, ReceivedCodec};

/// The DTLS role an `a=setup` line asks for (RFC 8842 section 5).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Setup {
    /// Sends the ClientHello.
    Active,
    /// Waits for it.
    Passive,
}

impl Setup {
    /// The role of the other end.
    pub(super) fn opposite(self) -> Self {
        match self {
            Self::Active => Self::Passive,
            Self::Passive => Self::Active,
        }
    }
}

/// The role a description settles on; `None` for an offer (`actpass`) or when it names none.
pub(super) fn setup(sdp: &str) -> Option<Setup> {
    match value(sdp, "a=setup:")? {
        "active" => Some(Setup::Active),
        "passive" => Some(Setup::Passive),
        _ => None,
    }
}

/// The same description with every `a=setup` line set to `role`.
pub(super) fn with_setup(sdp: &str, role: Setup) -> String {
    let role = match role {
        Setup::Active => "active",
        Setup::Passive => "passive",
    };
    sdp.split_inclusive('\n')
        .map(|line| {
            if line.starts_with("a=setup:") {
                let end = &line[line.trim_end().len()..];
                format!("a=setup:{role}{end}")
            } else {
                line.to_owned()
            }
        })
        .collect()
}

/// The id of the first media section, which under BUNDLE carries the candidates of all.
pub(super) fn first_mid(sdp: &str) -> Option<&str> {
    value(sdp, "a=mid:")
}

/// One media section of a description.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Section {
    /// Audio or video; sections of other kinds are left out.
    pub(super) kind: MediaKind,
    /// Port 0: the section is rejected or stopped (RFC 9429 section 5.3.1).
    pub(super) rejected: bool,
    /// Whether the author of the description is ready to send in it.
    pub(super) sends: bool,
    /// Whether the author of the description is ready to receive in it.
    pub(super) receives: bool,
    /// The payload types with their codecs, in the author's order of preference.
    pub(super) formats: Vec<(u8, Format)>,
}

/// What a payload type stands for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Format {
    /// The codec.
    pub(super) codec: ReceivedCodec,
    /// RTP clock in Hz.
    pub(super) clock_rate: u32,
}

/// The audio and video sections, in order.
pub(super) fn sections(sdp: &str) -> Vec<Section> {
    let mut sections = Vec::new();
    let mut blocks = split_media(sdp).into_iter();
    let session = blocks.next().unwrap_or_default();
    for block in blocks {
        let mut first = block.lines().next().unwrap_or_default().split_whitespace();
        let kind = match first.next() {
            Some("m=audio") => MediaKind::Audio,
            Some("m=video") => MediaKind::Video,
            _ => continue,
        };
        let rejected = first.next() == Some("0");
        let maps = rtpmaps(block);
        let formats = first
            .skip(1) // the protocol
            .filter_map(|number| number.parse().ok())
            .filter_map(|number: u8| Some((number, maps.get(&number)?.clone())))
            .collect();
        let (sends, receives) = direction(block).or_else(|| direction(session)).unwrap_or((true, true));
        sections.push(Section { kind, rejected, sends, receives, formats });
    }
    sections
}

/// What each payload type of a description stands for. Bundled sections share one number space.
pub(super) fn payload_types(sdp: &str) -> BTreeMap<u8, Format> {
    sections(sdp).into_iter().filter(|section| !section.rejected).flat_map(|section| section.formats).collect()
}

/// The codecs of `kind` that may be sent after `answer`; `ours` says that we wrote it. Empty when the section was
/// rejected or when media may not flow from us.
pub(super) fn sendable(answer: &str, ours: bool, kind: MediaKind) -> Vec<ReceivedCodec> {
    sections(answer)
        .into_iter()
        .find(|section| section.kind == kind)
        .filter(|section| !section.rejected)
        .filter(|section| if ours { section.sends } else { section.receives })
        .map(|section| {
            let formats = section.formats.into_iter();
            formats.map(|(_, format)| format.codec).collect()
        })
        .unwrap_or_default()
}

/// The session part, then one block for each `m=` line.
fn split_media(sdp: &str) -> Vec<&str> {
    let starts = sdp.match_indices("\nm=").map(|(at, _)| at + 1);
    let mut blocks = Vec::new();
    let mut from = 0;
    for at in starts {
        blocks.push(&sdp[from..at]);
        from = at;
    }
    blocks.push(&sdp[from..]);
    blocks
}

fn rtpmaps(block: &str) -> BTreeMap<u8, Format> {
    block
        .lines()
        .filter_map(|line| {
            let (number, format) = line.strip_prefix("a=rtpmap:")?.split_once(' ')?;
            let mut parts = format.trim().split('/');
            let name = parts.next()?;
            let format = Format { codec: codec(name), clock_rate: parts.next()?.parse().ok()? };
            Some((number.parse().ok()?, format))
        })
        .collect()
}

fn codec(name: &str) -> ReceivedCodec {
    if name.eq_ignore_ascii_case("opus") {
        ReceivedCodec::Opus
    } else if name.eq_ignore_ascii_case("VP8") {
        ReceivedCodec::Vp8
    } else if name.eq_ignore_ascii_case("H264") {
        ReceivedCodec::H264
    } else {
        ReceivedCodec::Other(name.to_owned())
    }
}

/// (sends, receives), if the block says so.
fn direction(block: &str) -> Option<(bool, bool)> {
    block.lines().find_map(|line| match line.trim_end() {
        "a=sendrecv" => Some((true, true)),
        "a=sendonly" => Some((true, false)),
        "a=recvonly" => Some((false, true)),
        "a=inactive" => Some((false, false)),
        _ => None,
    })
}

fn value<'a>(sdp: &'a str, prefix: &str) -> Option<&'a str> {
    sdp.lines().find_map(|line| line.strip_prefix(prefix)).map(str::trim_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE a v\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=setup:active\r\na=mid:a\r\na=rtpmap:111 opus/48000/2\r\na=sendrecv\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 120 124 126\r\na=setup:active\r\na=mid:v\r\na=rtpmap:120 VP8/90000\r\n\
        a=rtpmap:124 rtx/90000\r\na=fmtp:124 apt=120\r\na=rtpmap:126 H264/90000\r\na=recvonly\r\n";

    #[test]
    fn the_role_is_read_and_rewritten_in_every_section_and_nothing_else_changes() {
        assert_eq!(setup(ANSWER), Some(Setup::Active));
        let passive = with_setup(ANSWER, Setup::Passive);
        assert_eq!(setup(&passive), Some(Setup::Passive));
        assert_eq!(passive.matches("a=setup:passive\r\n").count(), 2);
        assert_eq!(with_setup(&passive, Setup::Active), ANSWER);
        assert_eq!(setup("a=setup:actpass\r\n"), None);
        assert_eq!(Setup::Active.opposite(), Setup::Passive);
    }

    #[test]
    fn candidates_belong_to_the_first_section_by_its_name() {
        assert_eq!(first_mid(ANSWER), Some("a"));
        assert_eq!(first_mid("v=0\r\n"), None);
    }

    #[test]
    fn payload_types_of_all_sections_are_known() {
        let types = payload_types(ANSWER);
        assert_eq!(types[&111].codec, ReceivedCodec::Opus);
        assert_eq!(types[&111].clock_rate, 48_000);
        assert_eq!(types[&120].codec, ReceivedCodec::Vp8);
        assert_eq!(types[&126].codec, ReceivedCodec::H264);
        assert_eq!(types[&124].codec, ReceivedCodec::Other("rtx".to_owned()));
    }

    #[test]
    fn a_direction_is_seen_from_the_right_end() {
        assert_eq!(sendable(ANSWER, true, MediaKind::Audio), [ReceivedCodec::Opus]);
        assert!(sendable(ANSWER, true, MediaKind::Video).is_empty());
        let theirs = sendable(ANSWER, false, MediaKind::Video);
        assert_eq!(theirs.first(), Some(&ReceivedCodec::Vp8));
        assert!(theirs.contains(&ReceivedCodec::H264));
    }

    #[test]
    fn a_rejected_section_can_send_nothing() {
        let rejected = ANSWER.replace("m=video 9", "m=video 0");
        assert!(sendable(&rejected, false, MediaKind::Video).is_empty());
        assert!(!payload_types(&rejected).contains_key(&120));
    }
}
