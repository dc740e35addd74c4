use proptest::prelude::*;

use super::client::Client;
use super::world::World;
use crate::relay::{Family, OpenFailure, Transport};
use crate::stun::attributes::{
    ADDITIONAL_ADDRESS_FAMILY, EVEN_PORT, LIFETIME, REQUESTED_ADDRESS_FAMILY, RESERVATION_TOKEN,
};
use crate::stun::{Message, Method};

/// What a client does, or what happens to it.
#[derive(Debug, Clone, Copy)]
enum Step {
    Allocate,
    AllocateEven,
    AllocateBoth,
    AllocateReserved,
    Refresh,
    End,
    EndFamily(u32),
    Leave,
    Permit,
    Wait(u64),
    Break(Option<OpenFailure>),
    /// The next sockets get ports that have been given before.
    PortsAgain,
}

proptest! {
    #[test]
    fn books_and_tables_agree_after_any_dialogue_and_nothing_is_left_in_the_end(
        steps in proptest::collection::vec((0_usize..4, step()), 1..60),
    ) {
        let mut relay = World::build(&["203.0.113.1", "2001:db8::1"], 2, |config| {
            config.limits.max_allocations = 6;
            config.limits.max_allocations_per_user = 4;
            config.limits.max_allocations_per_ip = 3;
        });
        let mut clients =
            [Client::on(0, 1, "alice"), Client::on(1, 2, "alice"), Client::on(0, 3, "bob"), Client::on(1, 3, "bob")];
        clients[3].address.remote.set_port(4001);
        clients[1].address.transport = Transport::Tcp;
        let mut tokens = Vec::new();
        for (who, step) in steps {
            take(step, &mut relay, &mut clients[who], &mut tokens);
            check(&relay)?;
        }
        for client in &mut clients {
            take(Step::End, &mut relay, client, &mut tokens);
        }
        relay.advance(30);
        relay.time_out();
        prop_assert!(relay.ledger.is_empty(), "{:?} {:?}", relay.open, relay.parked);
        prop_assert!(relay.open.is_empty() && relay.parked.is_empty());
        for core in &relay.cores {
            prop_assert_eq!(core.poll_timeout(), None);
        }
    }
}

fn take(step: Step, relay: &mut World, client: &mut Client, tokens: &mut Vec<[u8; 8]>) {
    client.fetch_nonce(relay);
    match step {
        Step::Allocate => {
            let _ = client.allocate_with(relay, |m| m);
        }
        Step::AllocateEven => {
            if let Ok(answer) = client.allocate_with(relay, |m| m.attribute(EVEN_PORT, &[0x80])) {
                let message = Message::parse(&answer).unwrap();
                tokens.push(message.find(RESERVATION_TOKEN).unwrap().try_into().unwrap());
            }
        }
        Step::AllocateBoth => {
            let _ = client.allocate_with(relay, |m| m.number(ADDITIONAL_ADDRESS_FAMILY, 2 << 24));
        }
        Step::AllocateReserved => {
            let token = tokens.pop().unwrap_or_default();
            let _ = client.allocate_with(relay, |m| m.attribute(RESERVATION_TOKEN, &token));
        }
        Step::Refresh => {
            let _ = client.refresh(relay, 600);
        }
        Step::End => {
            let _ = client.refresh(relay, 0);
        }
        Step::EndFamily(family) => {
            let _ = client
                .ask(relay, Method::Refresh, |m| m.number(LIFETIME, 0).number(REQUESTED_ADDRESS_FAMILY, family << 24));
        }
        Step::Leave => {
            relay.cores[client.worker].client_gone(relay.now.mono, client.address);
            assert_eq!(relay.complete(client.worker), vec![]);
        }
        Step::Permit => {
            let peers: Vec<String> = relay.open.values().map(ToString::to_string).collect();
            for peer in peers {
                let _ = client.permit(relay, &[&peer]);
            }
        }
        Step::Wait(seconds) => {
            relay.advance(seconds);
            relay.time_out();
        }
        Step::Break(failure) => {
            relay.failing = failure.map(|failure| (Family::V6, failure)).into_iter().collect();
        }
        Step::PortsAgain => relay.next_port = 50_001,
    }
}

/// Every open socket is an allocation's, at the worker that the directory names, and the other way round.
fn check(relay: &World) -> Result<(), TestCaseError> {
    for ((worker, id), local) in &relay.open {
        let core = &relay.cores[*worker];
        let named = relay.ledger.worker_of(*local).map(usize::from);
        prop_assert_eq!(named, Some(*worker));
        prop_assert!(relay.ledger.is_live(*local));
        let allocation = core.allocations.get(*id);
        prop_assert!(allocation.is_some());
        let at = core.allocations.at(*local);
        prop_assert_eq!(at, allocation.map(|allocation| allocation.first.relay));
        let client = allocation.map(|allocation| allocation.client);
        prop_assert!(client.is_some_and(|client| core.allocations.of_client(client) == at));
        prop_assert!(core.poll_timeout() <= allocation.map(|allocation| allocation.expires));
    }
    for local in relay.parked.values() {
        prop_assert_eq!(relay.ledger.worker_of(*local), None);
        prop_assert!(!relay.ledger.is_live(*local));
    }
    prop_assert_eq!(relay.ledger.live_ports(), relay.open.len());
    let live: u64 = relay.counters.iter().map(|counters| counters.totals().live_allocations).sum();
    let live = usize::try_from(live).unwrap();
    prop_assert!((live..=2 * live).contains(&relay.open.len()));
    Ok(())
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Allocate),
        3 => Just(Step::AllocateEven),
        4 => Just(Step::AllocateBoth),
        3 => Just(Step::AllocateReserved),
        1 => Just(Step::Refresh),
        2 => Just(Step::End),
        3 => (1_u32..=2).prop_map(Step::EndFamily),
        1 => Just(Step::Leave),
        1 => Just(Step::Permit),
        2 => prop_oneof![Just(1_u64), Just(29), Just(31), Just(601)].prop_map(Step::Wait),
        1 => prop_oneof![Just(None), Just(Some(OpenFailure::NoPort)), Just(Some(OpenFailure::NoAddress))]
            .prop_map(Step::Break),
        1 => Just(Step::PortsAgain),
    ]
}
