//! A brain: What a peer saw and heard, in numbers a verdict can be built on.

mod audio;
mod video;

pub use audio::{AudioHeard, AudioJudge};
pub use video::{VideoHeard, VideoJudge};
