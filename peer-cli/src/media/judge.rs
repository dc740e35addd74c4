//! A brain: What a peer saw and heard, in numbers a verdict can be built on.

mod audio;
mod lasting;
mod sync;
mod video;

pub use audio::{AudioHeard, AudioJudge, ToneHeard};
pub use lasting::Lasting;
pub use sync::SyncJudge;
pub use video::{VideoHeard, VideoJudge, VideoJudgeConfig};
