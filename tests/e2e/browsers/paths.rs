//! The ways that media takes: the relay alone, addresses that pages hide behind `.local` names, loopback alone.

use dialtone_tests::{Call, Ground, LIMIT, Program, Running, Scratch, wait_until};
use serde_json::Value;

use super::{House, Stage, cable, is_missing, receives, skip};
use crate::calls::assert_relayed;

/// Shared by the server, which makes logins of it, and the relay.
const SECRET: &str = "north";
/// Pages that come as they come to people: over https, since no other page could be allowed the camera.
const VISITOR: [&str; 2] = ["--no-permission", "--any-certificate"];

#[test]
fn pages_and_peer_cli_meet_on_the_relay_over_udp_alone() {
    meet_on_the_relay("chromium", "udp");
}

#[test]
fn pages_and_peer_cli_meet_on_the_relay_over_tcp_alone() {
    meet_on_the_relay("chromium", "tcp");
}

/// Nobody vouches for the relay: Chromium is told to take any certificate, `peer-cli` to trust this one.
#[test]
fn pages_and_peer_cli_meet_on_the_relay_over_tls_alone() {
    meet_on_the_relay("chromium", "tls");
}

#[test]
fn firefox_and_peer_cli_meet_on_the_relay_over_udp_alone() {
    meet_on_the_relay("firefox-esr", "udp");
}

/// There is none over TLS: Firefox takes no certificate for a relay that nobody vouches for, and cannot be told to.
#[test]
fn firefox_and_peer_cli_meet_on_the_relay_over_tcp_alone() {
    meet_on_the_relay("firefox-esr", "tcp");
}

/// Two pages, and then one of them and `peer-cli`. The relay could be reached in other ways too, but nobody is told.
fn meet_on_the_relay(browser: &str, over: &str) {
    if is_missing(&[browser]) {
        return;
    }
    let Some(ground) = cable() else { return };
    let identity = Identity::of(&ground);
    let relay = Relay::open(&ground, &identity);
    let url = relay.url(over);
    let house = House::open(&ground, &["--turn-url", &url, "--turn-secret", SECRET, "--ice-without-login"]);
    let mut stage = house.stage(&["--one-browser", "--any-certificate"]);
    if browser == "firefox-esr" {
        stage.all(&["a browser firefox", "b browser firefox"]);
    }
    let pages = meet(&mut stage, "/r/relay?media=pattern&policy=relay");
    for page in &pages {
        assert_relays(page, over);
    }
    let mut received: f64 = pages.iter().map(packets_of_page).sum();
    relay.assert_carried(received, over);

    stage.all(&["b press leave", "a wait waiting"]);
    let peer = house.peer("relay", &["--relay-only", "--tls-ca", &identity.certificate]);
    let (page, call) = called(&mut stage, peer);
    assert_relays(&page, over);
    assert_relayed(&call);
    received += packets_of_page(&page) + packets_of_peer(&call);
    relay.assert_carried(received, over);
}

/// Nobody has allowed the camera, and so a page does not learn its address: this is how visitors find each other.
#[test]
fn visitors_find_each_other_behind_local_names() {
    if is_missing(&["chromium"]) {
        return;
    }
    let Some(ground) = cable() else { return };
    let identity = Identity::of(&ground);
    let house = House::open(&ground, &identity.options());
    let mut stage = house.stage(&VISITOR);
    meet(&mut stage, "/r/hidden?media=pattern");
    let told = ["a", "b"].map(|page| assert_hides(&mut stage, page));
    assert!(told.iter().any(|&told| told > 0), "pages that tell nothing cannot have found each other");
}

/// `peer-cli` resolves the name where it is told to; where it is not, the page's checks come to its plain address.
#[test]
fn a_visitor_behind_a_local_name_and_peer_cli_find_each_other_whoever_comes_first() {
    if is_missing(&["chromium"]) {
        return;
    }
    let Some(ground) = cable() else { return };
    let identity = Identity::of(&ground);
    let house = House::open(&ground, &identity.options());
    let mut stage = house.stage(&VISITOR);
    stage.all(&["a open /r/hidden?media=pattern&peer=7", "a join", "a wait waiting"]);
    for (page_first, resolves) in [(true, Some("--mdns")), (false, None)] {
        let trust = ["--tls-ca", &identity.certificate];
        let options: Vec<&str> = trust.into_iter().chain(resolves).collect();
        let peer = house.peer("hidden", &options);
        if !page_first {
            let is_there = wait_until(|| peer.program().stderr().contains("joined the room"));
            assert!(is_there, "{}", peer.program().stderr());
            stage.does("a press again");
        }
        let (_, call) = called(&mut stage, peer);
        let candidates = call.at("/peers/0/candidates").as_array().map_or(&[][..], Vec::as_slice);
        let mut told = candidates.iter().filter(|candidate| candidate["local"] == false);
        let is_hidden = |candidate: &Value| candidate["address"].as_str().is_some_and(|at| at.contains(".local:"));
        assert!(told.all(is_hidden), "{}", call.report);
        assert_hides(&mut stage, "a");
    }
}

#[test]
fn pages_and_peer_cli_meet_where_there_is_only_loopback() {
    if is_missing(&["chromium"]) {
        return;
    }
    let none = |reason: String| skip(&format!("no network of their own: {reason}"));
    let Ok(ground) = Ground::lonely().map_err(none) else { return };
    let house = House::open(&ground, &[]);
    let mut stage = house.stage(&["--one-browser"]);
    for page in &meet(&mut stage, "/r/lonely?media=pattern") {
        assert_stays_on_loopback(page);
    }

    stage.all(&["b press leave", "a wait waiting"]);
    let (page, call) = called(&mut stage, house.peer("lonely", &[]));
    assert_stays_on_loopback(&page);
    for end in ["local", "remote"] {
        let address = call.text(&format!("/peers/0/pair/{end}_address"));
        assert!(address.starts_with("127.0.0.1:"), "{}", call.report);
    }
}

/// Opens page `a` as peer 7 and page `b` as peer 8, which see and hear each other; what both say then.
#[track_caller]
fn meet(stage: &mut Stage, address: &str) -> [Value; 2] {
    for (page, peer) in [("a", 7), ("b", 8)] {
        stage.does(&format!("{page} open {address}&peer={peer}"));
        stage.does(&format!("{page} join"));
    }
    let pages = ["a", "b"].map(|page| arrived(stage, page));
    receives(&pages[0], 8, 416.0);
    receives(&pages[1], 7, 1012.0);
    pages
}

/// What a page says once it is in a call whose picture and sound it has judged, and knows the way of it.
#[track_caller]
fn arrived(stage: &mut Stage, page: &str) -> Value {
    stage.does(&format!("{page} wait connected"));
    let judged = "d.far.stamped > 30 && d.far.toneHz > 0 && d.stats?.pair && d.stats.received.packets > 0";
    stage.does(&format!("{page} until {judged}"))["snapshot"].take()
}

/// The call of page `a`, which is peer 7, with `peer-cli`, until both have judged each other; what they say of it.
#[track_caller]
fn called(stage: &mut Stage, peer: Running) -> (Value, Call) {
    let page = arrived(stage, "a");
    receives(&page, 6, 412.0);
    // Three seconds of pictures, so that there is something to judge at the other end too.
    stage.all(&["a until d.stats.sent.frames > 90", "a press leave", "a wait ended"]);
    let call = peer.wait();
    call.assert_verdict("OK", 0);
    assert!(call.number("/directions/0/video/stamped") > 30.0, "{}", call.report);
    assert!((call.number("/directions/0/audio/tone_hz") - 1012.0).abs() < 1.9, "{}", call.report);
    (page, call)
}

/// The path that ICE chose goes from a relay to a relay, and to ours the page talks like this.
#[track_caller]
fn assert_relays(page: &Value, over: &str) {
    let pair = &page["stats"]["pair"];
    let ends = (&pair["local"]["type"], &pair["remote"]["type"], &pair["local"]["relayProtocol"]);
    assert!(ends.0 == "relay" && ends.1 == "relay" && ends.2 == over, "not over {over}: {page:#}");
}

#[track_caller]
fn assert_stays_on_loopback(page: &Value) {
    for end in ["local", "remote"] {
        let end = &page["stats"]["pair"][end];
        let is_loopback = end["address"].as_str().is_some_and(|address| address.starts_with("127.0.0.1:"));
        assert!(is_loopback && end["type"] != "relay", "{page:#}");
    }
}

/// No candidate that the page told the other side says where it is; how many it told. None is right too: Chromium ends
/// gathering when the call connects, and that may be before multicast DNS has given it a name.
#[track_caller]
fn assert_hides(stage: &mut Stage, page: &str) -> usize {
    let told = stage.does(&format!("{page} candidates"));
    let candidates = told["candidates"].as_array().map_or(&[][..], Vec::as_slice);
    let is_hidden = |candidate: &Value| candidate.as_str().is_some_and(|candidate| candidate.contains(".local "));
    assert!(candidates.iter().all(is_hidden), "{told:#}");
    candidates.len()
}

fn packets_of_page(page: &Value) -> f64 {
    page["stats"]["received"]["packets"].as_f64().unwrap_or(f64::NAN)
}

fn packets_of_peer(call: &Call) -> f64 {
    call.number("/directions/0/video/packets") + call.number("/directions/0/audio/packets")
}

/// A certificate for the address of a network, signed by itself, and its key: files in PEM form.
struct Identity {
    certificate: String,
    key: String,
    _folder: Scratch,
}

impl Identity {
    fn of(ground: &Ground) -> Self {
        let made = rcgen::generate_simple_self_signed([ground.address().to_string()]).unwrap();
        let folder = Scratch::new("identity");
        let write = |name: &str, pem: String| folder.write(name, pem).display().to_string();
        let certificate = write("cert.pem", made.cert.pem());
        let key = write("key.pem", made.signing_key.serialize_pem());
        Self { certificate, key, _folder: folder }
    }

    /// The options that give it to a server or to a relay.
    fn options(&self) -> [&str; 4] {
        ["--tls-cert", &self.certificate, "--tls-key", &self.key]
    }
}

/// A relay in a network, over UDP, TCP and TLS.
struct Relay<'a> {
    ground: &'a Ground,
    _program: Program,
    /// Where it serves, such as `udp://192.0.2.1:40000 tcp://…`.
    ready: String,
}

impl<'a> Relay<'a> {
    fn open(ground: &'a Ground, identity: &Identity) -> Self {
        let at = format!("{}:0", ground.address());
        // Both ends of a call have their relayed addresses here, and the relay's own address is private to it.
        let peers = format!("{}/32", ground.address());
        let listen = ["--listen", &at, "--tls-listen", &at, "--admin", "127.0.0.1:0"];
        let allow = ["--secret", SECRET, "--allow-peer", &peers];
        let options = listen.iter().chain(&allow).copied().chain(identity.options());
        let program = Program::start_on(ground, "dialtone-turn", options);
        let ready = program.ready("dialtone-turn ready on ");
        Self { ground, _program: program, ready }
    }

    /// What a client is told to reach it over `udp`, `tcp` or `tls`.
    fn url(&self, over: &str) -> String {
        let at = self.at(over);
        match over {
            "tls" => format!("turns:{at}"),
            _ => format!("turn:{at}?transport={over}"),
        }
    }

    fn at(&self, scheme: &str) -> &str {
        let found = self.ready.split_whitespace().find_map(|at| at.strip_prefix(scheme)?.strip_prefix("://"));
        found.unwrap_or_else(|| panic!("no {scheme} in {:?}", self.ready))
    }

    /// At least so many packets went out to its clients, who came in this way only.
    #[track_caller]
    fn assert_carried(&self, received: f64, over: &str) {
        let page = self.metrics();
        let count = |name| sample(&page, name);
        let carried = count("dialtone_turn_packets_total{direction=\"to_client\"}");
        assert!(received > 0.0 && carried >= received, "{carried} of {received} packets\n{page}");
        let (allocations, streams) = (count("dialtone_turn_allocations_total"), count("dialtone_turn_streams_total"));
        // A stream has one allocation at most.
        let is_alone = if over == "udp" { streams == 0.0 } else { streams >= allocations };
        assert!(allocations >= 2.0 && is_alone, "{allocations} allocations, {streams} streams\n{page}");
    }

    /// Its page for Prometheus, fetched by a program in its network.
    fn metrics(&self) -> String {
        let fetch = "fetch(process.argv[1]).then((page) => page.text()).then((text) => process.stdout.write(text))";
        let mut command = self.ground.command("node");
        command.args(["-e", fetch, &format!("http://{}/metrics", self.at("http"))]);
        Program::spawn("node", &mut command).wait(LIMIT).stdout
    }
}

/// A sample of the Prometheus text format, by its name and labels.
fn sample(page: &str, name: &str) -> f64 {
    let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
    value.unwrap_or_else(|| panic!("there is no {name} in\n{page}"))
}
