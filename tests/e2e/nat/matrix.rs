//! Every kind of network with every other one.

use std::fs;

use dialtone_tests::nat::{Bytes, Cell, End, Kind, Mode, Pair, Path, Plan, Side, sites, summary};
use serde_json::Value;

use super::{lab, lacks_browser, programs};

/// Relay or not, as measured with two other stacks: the rows and columns are those of `Kind::ALL`.
const MEASURED: [&str; 9] = [
    "ddddddd..", // public
    "ddddddR..", // firewalled
    "ddddddd..", // full cone
    "ddddddd..", // address-restricted
    "ddddddR..", // port-restricted
    "ddddddR..", // carrier-grade
    "dRddRRR..", // symmetric
    ".........", // UDP blocked
    ".........", // TCP 443
];

const TITLE: &str = "Which networks a call gets through";

#[test]
fn what_the_rules_say_of_two_networks_is_what_others_have_measured() {
    for (a, row) in Kind::ALL.into_iter().zip(MEASURED) {
        for (b, measured) in Kind::ALL.into_iter().zip(row.chars()) {
            let expected = if measured == 'd' { Path::Direct } else { Path::Relay };
            assert_eq!(a.path(b), expected, "{a} with {b}");
            assert_eq!(b.path(a), expected, "{b} with {a}");
        }
    }
}

#[test]
fn a_site_is_in_one_call_at_a_time_two_browsers_run_at_most_and_no_call_is_forgotten() {
    assert_eq!(Pair::all(&Kind::ALL).len(), 45);
    let mut plan = Plan::new(&Mode::ALL, &Kind::ALL, 1);
    let (mut running, mut placed) = (Vec::<(Mode, Pair)>::new(), 0);
    loop {
        while let Some((mode, pair)) = plan.start() {
            let sites = pair.sites();
            let busy = |site: &String| running.iter().any(|(_, other)| other.sites().contains(site));
            assert!(!sites.iter().any(busy), "{sites:?} while {running:?} go on");
            running.push((mode, pair));
            placed += 1;
        }
        let browsers = running.iter().filter(|(mode, _)| *mode == Mode::Browser).count();
        assert!(browsers <= 2, "{running:?}");
        let Some((mode, pair)) = running.pop() else { break };
        plan.done(mode, pair);
    }
    assert_eq!((placed, plan.waiting()), (3 * 45, 0));
}

#[test]
fn a_browser_sits_in_every_network_with_open_ones_and_closed_ones_at_the_other_end() {
    let pairs = Pair::of_mode(Mode::Browser, &Kind::ALL);
    for one in Kind::ALL {
        for other in Kind::ALL {
            assert_eq!(pairs.iter().filter(|pair| pair.is_between(one, other)).count(), 1, "{one} with {other}");
        }
        let far_ends = pairs.iter().filter(|pair| pair.a == one && pair.b != one).count();
        assert_eq!(far_ends, 4, "a browser in {one}");
    }
}

#[test]
fn a_summary_tells_every_pair_that_was_not_right_each_time() {
    let pair = Pair { a: Kind::FullCone, b: Kind::Cgnat };
    let cell = |pair, again, wrong: &[&str]| Cell {
        again,
        wrong: wrong.iter().map(ToString::to_string).collect(),
        ..Cell::judge(pair, Mode::Turn, Default::default(), Default::default())
    };
    let other = Pair { b: Kind::Tcp443, ..pair };
    let cells = [
        cell(pair, 0, &["relay instead of direct"]),
        cell(other, 1, &[]),
        cell(pair, 0, &["relay instead of direct"]),
        cell(pair, 0, &[]),
        cell(Pair { b: Kind::Public, ..pair }, 0, &[]),
    ];
    assert_eq!(
        summary(&cells),
        "5 calls, 2 wrong, 1 placed again
  full-cone with cgnat, turn: 2 of 3 wrong, 0 placed again
    2 x relay instead of direct
  full-cone with tcp443, turn: 0 of 1 wrong, 1 placed again"
    );
}

#[test]
fn a_call_that_could_go_direct_and_takes_the_relay_one_way_is_wrong() {
    let pair = Pair { a: Kind::AddressRestricted, b: Kind::FullCone };
    let side = |end, local: &str| Side {
        end,
        code: "OK".to_owned(),
        pair: Some((local.to_owned(), "prflx".to_owned())),
        stamped: 60,
        ..Side::default()
    };
    let (direct, relay) = (Bytes { relay: 10_000, direct: 100_000 }, Bytes { relay: 100_000, direct: 1000 });
    let judge = |locals: [&str; 2], bytes| {
        let sides = [side(End::Page, locals[0]), side(End::Cli, locals[1])];
        Cell::judge(pair, Mode::Browser, sides, bytes).wrong
    };
    assert!(judge(["srflx", "host"], [direct, direct]).is_empty());
    assert_eq!(judge(["srflx", "relay"], [direct, relay])[0], "relay instead of direct");
    for bytes in [[relay, relay], [direct, relay], [relay, direct], [Bytes::default(), direct]] {
        assert!(!judge(["srflx", "host"], bytes).is_empty(), "{bytes:?}");
    }
}

#[test]
fn every_network_gets_through_to_every_other_one_directly_or_over_the_relay_as_it_must() {
    matrix(&[], "dialtone", "with our relay", &["--modes", "stun,turn"]);
}

#[test]
fn every_network_gets_through_over_coturn_too() {
    matrix(&["--relay", "coturn"], "coturn", "with coturn as the relay", &["--modes", "turn"]);
}

#[test]
fn every_network_gets_through_with_a_browser_at_one_end() {
    if lacks_browser() {
        return;
    }
    matrix(&[], "browser", "with a browser at one end", &["--modes", "browser"]);
}

/// Runs the matrix; its page, its JSON and what it said of each call stay in `target/nat` to be looked at.
fn matrix(lab_options: &[&str], name: &str, title: &str, options: &[&str]) {
    let folder = programs().parent().expect("programs lie in target/<profile>").join("nat");
    fs::create_dir_all(&folder).expect("target is writable");
    let html = folder.join(format!("matrix-{name}.html"));
    let json = folder.join(format!("matrix-{name}.json"));
    let mut command = vec!["nat-matrix".to_owned(), format!("--title={TITLE}, {title}")];
    command.extend(options.iter().map(ToString::to_string));
    // A call of a busy machine may go wrong; one that goes wrong three times has a reason.
    command.extend(["--retries".to_owned(), "2".to_owned()]);
    command.extend([format!("--html={}", html.display()), format!("--json={}", json.display())]);
    let Some(ran) = lab(lab_options, &sites(&Kind::ALL), command) else { return };
    fs::write(folder.join(format!("matrix-{name}.log")), &ran.stdout).expect("target is writable");
    let (code, said) = (ran.code, format!("{}\n{}", ran.stdout, ran.stderr));
    assert_eq!(code, Some(0), "{said}");

    // The program's word is not taken for it: as many cells as there are pairs, each with its own proof.
    let cells: Value = serde_json::from_slice(&fs::read(&json).expect("there is a JSON file")).expect("it is JSON");
    let cells = cells.as_array().expect("a list of calls");
    let modes = if options.contains(&"stun,turn") { 2 } else { 1 };
    assert_eq!(cells.len(), 45 * modes);
    let relayed = |cell: &&Value| cell["mode"] != "stun" && cell["outcome"] == "relay";
    assert_eq!(cells.iter().filter(relayed).count(), 45 - 24, "{said}");
    assert!(fs::read_to_string(&html).expect("there is a page").contains("went as they must"));
}
