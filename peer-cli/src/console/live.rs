//! One line about one peer, while media flows.

use crate::peer::Status;
use crate::report::terminal::plain;

/// `00:12  alice  video 30 fps 1180 kbit/s, 0 lost; audio 440 Hz -15 dBFS, 0 lost`
pub(super) fn live_text(peer: &str, status: &Status) -> String {
    let elapsed = status.elapsed.as_secs();
    let mut text = format!("{:02}:{:02}  {:<6} ", elapsed / 60, elapsed % 60, plain(peer));
    match &status.video {
        Some(video) => text.push_str(&format!(
            "video {:.0} fps {:.0} kbit/s, {} lost; ",
            video.fps, video.stream.bitrate_kbps, video.stream.lost
        )),
        None => text.push_str("no video; "),
    }
    match &status.audio {
        Some(audio) => {
            let level = audio.level_dbfs.map_or_else(|| "silent".to_owned(), |level| format!("{level:.0} dBFS"));
            let tone = audio.tone_hz.map_or(String::new(), |hz| format!("{hz:.0} Hz "));
            text.push_str(&format!("audio {tone}{level}, {} lost", audio.stream.lost));
        }
        None => text.push_str("no audio"),
    }
    text
}

/// As much of the text as `room` columns are sure to hold.
pub(super) fn cut(text: &str, room: usize) -> String {
    if text.chars().map(columns).sum::<usize>() <= room {
        return text.to_owned();
    }
    let mut left = room.saturating_sub(1);
    let fits = |c: &char| {
        let fits = columns(*c) <= left;
        left = left.saturating_sub(columns(*c));
        fits
    };
    let kept: String = text.chars().take_while(fits).collect();
    if room == 0 { kept } else { kept + "…" }
}

/// At most so many columns a character takes: two from Hangul on, where the wide ones begin (Unicode Annex 11).
fn columns(c: char) -> usize {
    if c < '\u{1100}' { 1 } else { 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_ends_in_an_ellipsis_within_the_room() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdef", 5), "abcd…");
        assert_eq!((cut("abc", 1).as_str(), cut("abc", 0).as_str()), ("…", ""));
    }

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(cut("앨리스 ok", 9), "앨리스 ok");
        assert_eq!(cut("앨리스 ok", 8), "앨리스 …");
        assert_eq!(cut("앨리스 ok", 6), "앨리…", "five columns hold two of them");
    }
}
