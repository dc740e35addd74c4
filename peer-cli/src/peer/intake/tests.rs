use super::*;
use crate::clock::{now, round};
use crate::measure::mos_estimate;

const UNIX: Duration = Duration::from_secs(1_800_000_000);
const OPUS: (&ReceivedCodec, u32) = (&ReceivedCodec::Opus, 48_000);
const VP8: (&ReceivedCodec, u32) = (&ReceivedCodec::Vp8, 90_000);
const H264: (&ReceivedCodec, u32) = (&ReceivedCodec::H264, 90_000);

struct World {
    intake: Intake,
    start: Instant,
}

impl World {
    fn new(judge: JudgeLevel, ledger: Option<SendLedger>) -> Self {
        let start = now();
        let started = Started { mono: start, unix: UNIX };
        let config = IntakeConfig { judge, expected_peer: None, started, ledger, recording: None };
        Self { intake: Intake::start(config), start }
    }

    /// Packets of sound, 20 ms each, that come 25 ms after they were sent.
    fn hears(&mut self, ssrc: u32, numbers: impl IntoIterator<Item = u16>) {
        for sequence in numbers {
            let at = self.start + Duration::from_millis(u64::from(sequence) * 20 + 25);
            self.intake.packet(at, MediaKind::Audio, OPUS, packet(ssrc, sequence, timestamp(sequence), &[0x78, 0]));
        }
    }

    /// Key frames of one packet each.
    fn sees(&mut self, codec: (&ReceivedCodec, u32), ssrc: u32, numbers: &[u16]) {
        let payload: &[u8] = if codec == VP8 { &[0x10, 0, 1] } else { &[0x65, 0x88] };
        for &sequence in numbers {
            let at = self.start + Duration::from_millis(u64::from(sequence) * 10);
            self.intake.packet(at, MediaKind::Video, codec, packet(ssrc, sequence, u32::from(sequence) * 900, payload));
        }
    }

    /// The far end, whose wall clock is `ahead` of ours, reports about a stream of sound.
    fn reports(&mut self, ssrc: u32, ahead: Duration) {
        let ntp = ((UNIX + ahead).as_secs() + 2_208_988_800) << 32;
        self.intake.sender_report(MediaKind::Audio, ssrc, self.start, ntp, timestamp(0));
    }

    async fn ends(self) -> Direction {
        let received = self.intake.finish(self.start + Duration::from_secs(1), &LinkStats::default(), RTT).await;
        assert_eq!(received.failure, None);
        received.direction
    }
}

const RTT: Option<Duration> = Some(Duration::from_millis(100));

fn timestamp(sequence: u16) -> u32 {
    u32::from(sequence) * 960
}

fn packet(ssrc: u32, sequence: u16, timestamp: u32, payload: &[u8]) -> RtpPacket {
    let payload = Bytes::copy_from_slice(payload);
    RtpPacket { sequence, timestamp, marker: true, ssrc, payload_type: 96, payload }
}

#[tokio::test]
async fn sound_has_a_latency_without_being_decoded() {
    for judge in [JudgeLevel::Packets, JudgeLevel::Frames] {
        let ledger = SendLedger::new();
        let mut world = World::new(judge, Some(ledger.clone()));
        for sequence in 0..10 {
            let sent_at = world.start + Duration::from_millis(u64::from(sequence) * 20);
            ledger.record(MediaKind::Audio, timestamp(sequence), sent_at);
        }
        // Once more, which is no second arrival.
        world.hears(1, (0..10).filter(|sequence| *sequence != 4).chain([9]));
        let direction = world.ends().await;
        let audio = direction.audio.unwrap();
        let latency = audio.latency_ms.unwrap();
        assert_eq!(latency.count, 9, "{judge:?}");
        assert!((latency.min - 25.0).abs() < 0.1 && (latency.max - 25.0).abs() < 0.1, "{judge:?}: {latency:?}");
        assert_eq!(audio.latency_basis.as_deref(), Some("shared-clock"));
        assert!(direction.series.unwrap().audio_latency_ms.iter().any(Option::is_some));
        // Of 25 ms, not of the half of 100 ms.
        assert_eq!(audio.mos_estimate, Some(round(mos_estimate(25.0, audio.stream.loss_percent))));
    }
}

#[tokio::test]
async fn clocks_that_disagree_make_a_remark_instead_of_a_latency() {
    let mut world = World::new(JudgeLevel::Packets, None);
    world.reports(1, Duration::from_secs(10));
    world.hears(1, 0..10);
    let direction = world.ends().await;
    let audio = direction.audio.unwrap();
    assert_eq!((audio.latency_ms, audio.latency_basis, direction.latency_basis), (None, None, None));
    assert_eq!(audio.mos_estimate, Some(round(mos_estimate(50.0, 0.0))), "by the round trip");
    assert_eq!(direction.remarks.len(), 1);
    assert!(direction.remarks[0].contains("differ by about 10.0 s"), "{:?}", direction.remarks);
    assert!(direction.series.unwrap().audio_latency_ms.iter().all(Option::is_none));
}

#[tokio::test]
async fn a_sender_report_counts_for_its_own_stream_alone() {
    let mut world = World::new(JudgeLevel::Packets, None);
    world.reports(1, Duration::ZERO);
    world.reports(9, Duration::from_secs(10));
    world.hears(1, 0..10);
    let direction = world.ends().await;
    let audio = direction.audio.unwrap();
    let latency = audio.latency_ms.unwrap();
    assert!((latency.p50 - 25.0).abs() < 0.1, "{latency:?}");
    assert_eq!(direction.latency_basis.as_deref(), Some("sender-report"));
    assert_eq!((audio.mos_estimate, direction.remarks), (Some(round(mos_estimate(50.0, 0.0))), vec![]));
}

#[tokio::test]
async fn another_codec_in_mid_stream_and_another_stream_after_a_pause_keep_the_counts() {
    let mut world = World::new(JudgeLevel::Frames, None);
    world.sees(VP8, 1, &[0, 1, 3]);
    world.sees(H264, 1, &[4, 5]);
    // Half a minute later.
    world.sees(VP8, 2, &[3000, 3001]);
    let video = world.ends().await.video.unwrap();
    // The frame behind the gap was let go at the end of its codec.
    assert_eq!((video.stream.packets, video.stream.lost, video.frames), (7, 1, 5));
    assert_eq!(video.stream.codec, "VP8");
}

#[tokio::test]
async fn what_waits_in_the_buffers_at_the_end_is_judged_too() {
    let mut world = World::new(JudgeLevel::Frames, None);
    world.sees(VP8, 1, &[0, 1, 3]);
    let video = world.ends().await.video.unwrap();
    assert_eq!(video.frames, 3);
    // Two gaps between three pictures: the last of them was given to the judge.
    assert!(video.fps > 0.0 && video.longest_gap_ms > 20.0, "{video:?}");
}

#[tokio::test]
async fn what_was_sent_again_counts_for_its_own_stream() {
    let mut world = World::new(JudgeLevel::Packets, None);
    world.sees(VP8, 1, &[0, 1, 4, 2]);
    world.hears(7, [0, 2]);
    world.intake.repaired(1, 3);
    world.hears(7, [1]);
    world.sees(VP8, 1, &[3]);
    let direction = world.ends().await;
    let (video, audio) = (direction.video.unwrap().stream, direction.audio.unwrap().stream);
    assert_eq!((video.recovered, video.reordered, video.lost), (1, 2, 0));
    assert_eq!((audio.recovered, audio.reordered, audio.lost), (0, 1, 0));
}
