//! Every kind of network with every other one.

use std::fs;

use dialtone_tests::nat::{Kind, Mode, Pair, Path, Plan, sites};
use serde_json::Value;

use super::{lab, programs};

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
fn a_site_is_in_one_call_at_a_time_and_no_call_is_forgotten() {
    let pairs = Pair::all(&Kind::ALL);
    assert_eq!(pairs.len(), 45);
    let mut plan = Plan::new(&[Mode::Stun, Mode::Turn], &pairs, 1);
    let (mut running, mut placed) = (Vec::<Pair>::new(), 0);
    loop {
        while let Some((_, pair)) = plan.start() {
            let sites = pair.sites();
            let busy = |site: &String| running.iter().any(|other| other.sites().contains(site));
            assert!(!sites.iter().any(busy), "{sites:?} while {running:?} go on");
            running.push(pair);
            placed += 1;
        }
        let Some(done) = running.pop() else { break };
        plan.done(done);
    }
    assert_eq!((placed, plan.waiting()), (90, 0));
}

#[test]
fn every_network_gets_through_to_every_other_one_directly_or_over_the_relay_as_it_must() {
    matrix(&[], "dialtone", &["--modes", "stun,turn"]);
}

#[test]
fn every_network_gets_through_over_coturn_too() {
    // Which of two ways that both work is taken is proved with our relay.
    matrix(&["--relay", "coturn"], "coturn", &["--modes", "turn", "--any-path"]);
}

/// Runs the matrix; its page, its JSON and what it said of each call stay in `target/nat` to be looked at.
fn matrix(lab_options: &[&str], name: &str, options: &[&str]) {
    let folder = programs().parent().expect("programs lie in target/<profile>").join("nat");
    fs::create_dir_all(&folder).expect("target is writable");
    let html = folder.join(format!("matrix-{name}.html"));
    let json = folder.join(format!("matrix-{name}.json"));
    let title = format!("Which networks a call gets through, with {name} as the relay");
    let mut command = vec!["nat-matrix".to_owned(), "--title".to_owned(), title];
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
    let relayed = |cell: &&Value| cell["mode"] == "turn" && cell["outcome"] == "relay";
    let (relayed, must) = (cells.iter().filter(relayed).count(), 45 - 24);
    assert!(if options.contains(&"--any-path") { relayed >= must } else { relayed == must }, "{relayed}: {said}");
    assert!(fs::read_to_string(&html).expect("there is a page").contains("went as they must"));
}
