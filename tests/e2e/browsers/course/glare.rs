//! Offers that cross each other on the way.

use dialtone_tests::{Bound, Deed, Ground, Meddler, Passing};
use dialtone_wire::stomp::Frame;

use super::super::{House, is_missing};
use super::{begin, both_receive, receives};

#[test]
fn two_pages_whose_offers_cross_have_one_call() {
    if is_missing(&["chromium"]) {
        return;
    }
    let ground = Ground::loopback();
    let house = House::open(&ground, &[]);
    let mut stage = house.stage(&["--one-browser"]);
    stage.all(&["a wire glare", "b wire glare"]);
    begin(&mut stage, "glare", "&offer=always");
    // Other session ids: it may be the other one's turn to give in.
    stage.all(&["a press leave", "b press leave", "a wait ended", "b wait ended", "a press again", "b press again"]);
    both_receive(&mut stage);
}

#[test]
fn a_page_and_peer_cli_whose_offers_cross_have_one_call() {
    if is_missing(&["chromium"]) {
        return;
    }
    let ground = Ground::loopback();
    let mut house = House::open(&ground, &[]);
    let server = house.ws.clone();
    let mut stage = house.stage(&[]);
    stage.all(&["a open /r/glare?media=pattern&peer=7&offer=always", "a join"]);
    // Chance says who has to give in.
    for _ in 0..3 {
        let meddler = Meddler::before(&server, crossing());
        house.ws = meddler.url();
        stage.does("a wait waiting");
        let peer = house.peer("glare", &[]);
        receives(&mut stage, "a", 6, 412);
        stage.all(&["a press leave", "a wait ended", "a press again"]);
        let call = peer.wait();
        call.assert_verdict("OK", 0);
        let phases = call.phases(0);
        assert!(["offer-sent", "offer-received"].iter().all(|offer| phases.contains(offer)), "{phases:?}");
        assert_eq!(phases.iter().filter(|phase| phase.starts_with("answer-")).count(), 1, "{phases:?}");
        assert!((call.number("/directions/0/audio/tone_hz") - 1012.0).abs() < 1.9, "{}", call.report);
    }
}

/// Makes the offers of `peer-cli` and of a page that always offers cross each other: it hears of the page only when the
/// page's offer is here, and gets that one only when its own is on its way.
fn crossing() -> impl FnMut(&Passing<'_>) -> Deed + Send + 'static {
    let mut held: Vec<Frame> = Vec::new();
    let mut ours = None;
    let (mut is_theirs_here, mut is_over) = (false, false);
    move |passing: &Passing<'_>| {
        if passing.is_sent("OFFER") && ours.is_none() {
            ours = Some(passing.json()["sdp"].clone());
        }
        if is_over || passing.bound == Bound::ToServer {
            return Deed::Pass;
        }
        let body = passing.json();
        let is_both = body.as_array().is_some_and(|members| members.len() == 2);
        match body["type"].as_str() {
            // The server sends it back to us, too.
            Some("OFFER") if ours.as_ref() == Some(&body["sdp"]) => {
                is_over = true;
                held.insert(0, passing.frame.clone());
                Deed::Replace(std::mem::take(&mut held))
            }
            Some("OFFER") => {
                is_theirs_here = true;
                Deed::Replace(std::mem::replace(&mut held, vec![passing.frame.clone()]))
            }
            kind if kind == Some("CANDIDATE") || (!is_theirs_here && (kind == Some("READY") || is_both)) => {
                held.push(passing.frame.clone());
                Deed::Swallow
            }
            Some(_) | None => Deed::Pass,
        }
    }
}
