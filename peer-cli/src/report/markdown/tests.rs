use super::super::{repeat, sample};
use super::*;

#[test]
fn a_call_that_works_is_a_verdict_and_three_tables() {
    let expected = "\
### ✅ PASS: The call works: decodable video and audible audio in both directions.

2026-11-23 08:46:40 UTC, room <code>call-1</code> on <code>ws://127.0.0.1:8080/ws</code>, peer-cli 0.1.0

| direction | media | packets | lost | bitrate | jitter | seen and heard | quality |
|---|---|--:|--:|--:|--:|---|---|
| alice → bob | video VP8 | 362 | 0 | 1061 kbit/s | 0.6 ms | 640x480 at 30 fps, the sender's pattern | latency p50 12.1, p95 15, p99 18.2 ms, no freeze, PSNR 38.2 dB, SSIM 0.981 |
| alice → bob | audio opus | 150 | 0 | 32 kbit/s | 1.1 ms | tone of 404 Hz, -15 dBFS | latency p50 3.1, p95 4, p99 5.2 ms, no gap, A/V offset 2 ms, MOS 4.4 (estimate) |
| bob → alice | video VP8 | 362 | 0 | 1061 kbit/s | 0.6 ms | 640x480 at 30 fps, the sender's pattern | latency p50 12.1, p95 15, p99 18.2 ms, no freeze, PSNR 38.2 dB, SSIM 0.981 |
| bob → alice | audio opus | 150 | 0 | 32 kbit/s | 1.1 ms | tone of 1004 Hz, -15 dBFS | latency p50 3.1, p95 4, p99 5.2 ms, no gap, A/V offset 2 ms, MOS 4.4 (estimate) |

| expectation | | measured |
|---|---|---|
| <code>setup\\_ms&lt;500</code> | ✅ ok | setup\\_ms was 45.4 ms (alice), below 500 ms as it should be |

<details><summary>Setting the call up, in ms</summary>

| | alice | bob |
|---|--:|--:|
| <code>signaling\\_ms</code> | 54.5 | 53.1 |
| <code>join\\_ms</code> | 0.7 | 3.6 |
| <code>ready\\_ms</code> | 0.1 | 0.1 |
| <code>negotiate\\_ms</code> | 3.0 | 0.9 |
| <code>ice\\_ms</code> | 22.6 | 22.8 |
| <code>dtls\\_ms</code> | 1.6 | 1.3 |
| <code>connect\\_ms</code> | 27.4 | 25.5 |
| <code>first\\_packet\\_ms</code> | 1.3 | 1.6 |
| <code>first\\_key\\_frame\\_ms</code> | 2.3 | 2.3 |
| <code>first\\_picture\\_ms</code> | 18.0 | 19.5 |
| <code>first\\_sound\\_ms</code> | 20.3 | 21.8 |
| <code>setup\\_ms</code> | 45.4 | 45.0 |

</details>
";
    assert_eq!(render(&sample::healthy()), expected);
}

#[test]
fn a_failure_shows_its_facts_its_remedy_and_what_is_missing() {
    let markdown = render(&sample::failed());
    let head = "\
### ❌ FAIL: The path is up, and not one packet came from bob to alice.

- 362 video packets came from alice to bob, 0 from bob to alice

**Try:** Look at the sender. (<code>NO\\_MEDIA</code>)
";
    assert!(markdown.starts_with(head), "{markdown}");
    assert!(markdown.contains("| bob → alice | video | | | | | not one packet came | |\n"), "{markdown}");
    assert!(markdown.contains("| <code>first\\_picture\\_ms</code> |  | 19.5 |\n"), "{markdown}");
    assert!(markdown.contains("| <code>video.fps&gt;50</code> | ⚠️ warning |"), "{markdown}");
}

#[test]
fn names_cannot_break_out_of_their_cells() {
    let mut report = sample::healthy();
    report.directions[0].from = "a|b<img>\nc".to_owned();
    assert!(render(&report).contains("| a\\|b&lt;img&gt; c → bob | video VP8 |"));
}

#[test]
fn a_repetition_has_its_figures() {
    let markdown = render(&repeat::combine(vec![sample::healthy(), sample::failed()]));
    assert!(markdown.contains("**2 calls:** 1 <code>NO\\_MEDIA</code>, 1 <code>OK</code>"), "{markdown}");
    assert!(markdown.contains("| <code>setup\\_ms</code> | ms | 45 | 45 | 45.4 | 45.4 | 45.4 |"), "{markdown}");
}
