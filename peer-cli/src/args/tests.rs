use super::values::{parse_bitrate, parse_duration, parse_size};
use super::*;

fn call(args: &[&str]) -> Result<CallArgs, clap::Error> {
    let Command::Call(call) = Args::try_parse_from(["peer-cli", "call"].iter().chain(args))?.command else {
        panic!("parsed as another command")
    };
    Ok(call)
}

#[test]
fn the_command_line_is_consistent() {
    use clap::CommandFactory;
    Args::command().debug_assert();
}

#[test]
fn a_call_needs_no_option() {
    let call = call(&[]).unwrap();
    assert_eq!(call.server, None);
    assert_eq!(call.duration, Duration::from_secs(3));
    assert_eq!(call.common.video_choice(), VideoChoice::Pattern);
    assert_eq!(call.common.audio_choice(), AudioChoice::Beep);
    assert_eq!(call.common.json, None);
}

#[test]
fn json_goes_to_standard_output_or_to_a_file() {
    assert_eq!(call(&["--json"]).unwrap().common.json, Some("-".into()));
    assert_eq!(call(&["--json=out.json"]).unwrap().common.json, Some("out.json".into()));
}

#[test]
fn durations_are_read_with_their_units() {
    for (text, ms) in [("5s", 5000), ("500ms", 500), ("1.5", 1500), ("2m", 120_000), ("1h", 3_600_000)] {
        assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)), "{text}");
    }
    for bad in ["", "s", "5x", "-1s", "five", "1e99s", "8761h", "99999999999999999999"] {
        assert!(parse_duration(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_call_of_no_length_is_refused_with_the_reason() {
    for zero in ["0", "0s", "0.0ms"] {
        let message = call(&["--duration", zero]).unwrap_err().to_string();
        assert!(message.contains("nothing comes that could be judged"), "{message}");
    }
    assert!(Args::try_parse_from(["peer-cli", "join", "r", "--duration", "0"]).is_err());
    assert_eq!(call(&["--wait", "0"]).unwrap().common.wait, Duration::ZERO, "not to wait is something one may want");
}

#[test]
fn a_dash_for_any_form_of_the_report_takes_standard_output() {
    for args in [&["--json"][..], &["--html", "-"], &["--junit", "-"], &["--markdown", "-"]] {
        assert!(call(args).unwrap().common.takes_stdout(), "{args:?}");
    }
    assert!(!call(&["--json=-x", "--html", "x.html"]).unwrap().common.takes_stdout());
}

#[test]
fn sizes_are_even_and_bounded() {
    assert_eq!(parse_size("1280x720"), Ok((1280, 720)));
    for bad in ["640", "641x480", "0x0", "9999x2", "x", "640x480x3"] {
        assert!(parse_size(bad).is_err(), "{bad}");
    }
}

#[test]
fn bitrates_are_read_with_their_units() {
    for (text, bits) in [("800k", 800_000), ("1.5M", 1_500_000), ("64000", 64_000)] {
        assert_eq!(parse_bitrate(text), Ok(bits), "{text}");
    }
    for bad in ["", "k", "1", "900G", "-5k", "51M"] {
        assert!(parse_bitrate(bad).is_err(), "{bad}");
    }
}

#[test]
fn an_expectation_that_names_no_metric_is_told_the_nearest() {
    let message = call(&["--expect", "video.freze_ms<200"]).unwrap_err().to_string();
    assert!(message.contains("video.freeze_ms"), "{message}");
    let call = call(&["--expect", "video.freeze_ms<200;setup_ms.p95<500", "--warn", "rtt_ms<50"]).unwrap();
    assert_eq!(call.common.expectations().unwrap().len(), 3);
}

#[test]
fn wrong_values_are_told_with_what_was_expected() {
    for (args, words) in [
        (&["--server", "localhost:8080"][..], "ws://"),
        (&["--room", "a b"], "A-Z a-z 0-9"),
        (&["--codec", "av1"], "VP8 or H264"),
        (&["--duration", "soon"], "5s"),
        (&["--fps", "0"], "1..=60"),
    ] {
        let message = call(args).unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn a_turn_login_goes_to_turn_servers_alone() {
    let args = call(&["--ice", "stun:a:1,turn:b:2", "--ice-user", "u", "--ice-password", "p"]).unwrap();
    let servers = args.common.ice_servers().unwrap();
    assert_eq!(servers[0].username, None);
    assert_eq!(servers[1].credential.as_deref(), Some("p"));
    let args = call(&["--ice", "stun:a:1", "--ice-user", "u"]).unwrap();
    assert!(matches!(args.common.ice_servers(), Err(SettingsError::LoginWithoutServer)));
}

#[test]
fn the_published_schemas_are_those_of_the_code() {
    for (document, published, written) in [
        (Document::Report, include_str!("../../report.schema.json"), "schema > peer-cli/report.schema.json"),
        (Document::Doctor, include_str!("../../doctor.schema.json"), "schema doctor > peer-cli/doctor.schema.json"),
        (Document::Nat, include_str!("../../nat.schema.json"), "schema nat > peer-cli/nat.schema.json"),
    ] {
        let same = document.json_schema() == published;
        assert!(same, "{document:?}: write it anew: cargo run --bin peer-cli -- {written}");
    }
}

#[test]
fn a_schema_is_that_of_the_report_unless_another_document_is_named() {
    for (words, expected) in [
        (&["schema"][..], Document::Report),
        (&["schema", "report"], Document::Report),
        (&["schema", "doctor"], Document::Doctor),
        (&["schema", "nat"], Document::Nat),
    ] {
        let args = Args::try_parse_from(["peer-cli"].iter().chain(words)).unwrap();
        assert!(matches!(args.command, Command::Schema(schema) if schema.of == expected), "{words:?}");
    }
    let wrong = Args::try_parse_from(["peer-cli", "schema", "call"]).unwrap_err().to_string();
    assert!(["report", "doctor", "nat"].iter().all(|known| wrong.contains(known)), "{wrong}");
}
