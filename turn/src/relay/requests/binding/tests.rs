use super::*;
use crate::stun::attributes::{UNKNOWN_ATTRIBUTES, decode_address};
use crate::stun::{Class, Method, TransactionId};

const ID: TransactionId = TransactionId([9; 12]);

#[test]
fn four_addresses_need_two_definite_ones_that_differ_in_both_parts() {
    let new = |primary: &str, alternate: &str| Discovery::new(&[address(primary)], Some(address(alternate)));
    assert!(new("192.0.2.1:3478", "192.0.2.2:3479").is_some());
    assert!(new("[2001:db8::1]:3478", "[2001:db8::2]:3479").is_some());
    for (primary, alternate) in [
        ("192.0.2.1:3478", "192.0.2.1:3479"),
        ("192.0.2.1:3478", "192.0.2.2:3478"),
        ("192.0.2.1:3478", "[2001:db8::2]:3479"),
        ("0.0.0.0:3478", "192.0.2.2:3479"),
        ("192.0.2.1:3478", "0.0.0.0:3479"),
        ("192.0.2.1:3478", "192.0.2.2:0"),
    ] {
        assert_eq!(new(primary, alternate), None, "{primary} {alternate}");
    }
    let bound = ["192.0.2.1:3478", "192.0.2.2:9", "192.0.2.2:4000", "192.0.2.1:4000", "192.0.2.2:3478"].map(address);
    let picked = Discovery::new(&bound, Some(address("192.0.2.2:0")));
    assert_eq!(picked, Discovery::new(&bound, Some(address("192.0.2.2:4000"))));
    assert!(picked.is_some());
    assert_eq!(Discovery::new(&[], Some(address("192.0.2.2:3479"))), None);
    assert_eq!(Discovery::new(&[address("192.0.2.1:3478")], None), None);
}

#[test]
fn answer_leaves_from_the_address_asked_for_at_each_of_the_four() {
    // RFC 5780 section 6.1, table 1.
    let ips = ["192.0.2.1", "192.0.2.2"];
    let ports = ["3478", "3479"];
    for (ip, port) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let corner = |ip: usize, port: usize| address(&format!("{}:{}", ips[ip], ports[port]));
        let client = over(Transport::Udp, corner(ip, port));
        let rows = [
            (0, corner(ip, port)),
            (4, corner(1 - ip, port)),
            (2, corner(ip, 1 - port)),
            (6, corner(1 - ip, 1 - port)),
        ];
        for (flags, from) in rows {
            let request = request(|builder| builder.number(CHANGE_REQUEST, flags));
            let plan = Plan::new(discovery(), client, &parse(&request)).unwrap();
            assert_eq!(plan.from, from);
            assert_eq!(plan.to, client.remote);
            assert_eq!(plan.mapped, client.remote);
            assert_eq!(plan.other, Some(corner(1 - ip, 1 - port)));
        }
    }
}

#[test]
fn discovery_answer_names_both_ends_twice() {
    let client = at_primary();
    let bytes = answer(discovery(), client, &request(|builder| builder.number(CHANGE_REQUEST, 6))).unwrap();
    let message = parse(&bytes);
    let kinds: Vec<u16> = message.attributes().map(|attribute| attribute.kind).collect();
    assert_eq!(kinds, [XOR_MAPPED_ADDRESS, MAPPED_ADDRESS, RESPONSE_ORIGIN, OTHER_ADDRESS]);
    assert_eq!(message.xor_address(XOR_MAPPED_ADDRESS), Some(client.remote));
    let plain = |kind| message.find(kind).and_then(decode_address);
    assert_eq!(plain(MAPPED_ADDRESS), Some(client.remote));
    assert_eq!(plain(RESPONSE_ORIGIN), Some(address("192.0.2.2:3479")));
    assert_eq!(plain(OTHER_ADDRESS), Some(address("192.0.2.2:3479")));
}

#[test]
fn without_discovery_its_attributes_are_unknown() {
    let elsewhere = over(Transport::Udp, address("192.0.2.1:5000"));
    for (discovery, client) in [(None, at_primary()), (discovery(), elsewhere)] {
        for kind in [CHANGE_REQUEST, PADDING, RESPONSE_PORT] {
            let request = request(|builder| builder.number(kind, 0));
            let refusal = Plan::new(discovery, client, &parse(&request)).unwrap_err();
            assert_eq!(refusal, Refusal::UnknownAttributes(vec![kind]));
        }
        let bytes = answer(discovery, client, &request(|builder| builder)).unwrap();
        let kinds: Vec<u16> = parse(&bytes).attributes().map(|attribute| attribute.kind).collect();
        assert_eq!(kinds, [XOR_MAPPED_ADDRESS]);
    }
}

#[test]
fn unknown_attributes_are_named_before_wrong_ones() {
    let request = request(|builder| builder.number(0x7001, 0).attribute(CHANGE_REQUEST, b"x"));
    let refusal = Plan::new(discovery(), at_primary(), &parse(&request)).unwrap_err();
    assert_eq!(refusal, Refusal::UnknownAttributes(vec![0x7001]));
}

#[test]
fn connection_learns_the_other_address_and_gets_its_answer_where_it_asked() {
    for (transport, local, other) in [
        (Transport::Tcp, "192.0.2.1:3478", "192.0.2.2:3479"),
        (Transport::Tcp, "192.0.2.2:3479", "192.0.2.1:3478"),
        (Transport::Tls, "192.0.2.1:5349", "192.0.2.2:3479"),
    ] {
        let client = over(transport, address(local));
        for request in [request(|builder| builder), request(|builder| builder.number(CHANGE_REQUEST, 0))] {
            let plan = Plan::new(discovery(), client, &parse(&request)).unwrap();
            assert_eq!((plan.from, plan.to), (client.local, client.remote));
            assert_eq!(plan.other, Some(address(other)));
        }
        for flags in [2, 4, 6] {
            let request = request(|builder| builder.number(CHANGE_REQUEST, flags).attribute(RESPONSE_PORT, &[0, 9]));
            let refusal = Plan::new(discovery(), client, &parse(&request)).unwrap_err();
            assert_eq!(refusal, Refusal::UnknownAttributes(vec![CHANGE_REQUEST, RESPONSE_PORT]));
        }
    }
}

#[test]
fn response_port_leads_to_another_port_of_the_same_host() {
    let client = at_primary();
    for value in [&[0x12, 0x34][..], &[0x12, 0x34, 0, 0]] {
        let request = request(|builder| builder.attribute(RESPONSE_PORT, value).number(CHANGE_REQUEST, 4));
        let plan = Plan::new(discovery(), client, &parse(&request)).unwrap();
        assert_eq!(plan.to, SocketAddr::new(client.remote.ip(), 0x1234));
        assert_eq!(plan.from, address("192.0.2.2:3478"));
        assert_eq!(plan.mapped, client.remote);
    }
}

#[test]
fn malformed_wishes_are_bad_requests() {
    let zero = request(|builder| builder.number(RESPONSE_PORT, 0));
    let short = request(|builder| builder.attribute(RESPONSE_PORT, &[1]));
    let flags = request(|builder| builder.attribute(CHANGE_REQUEST, &[0, 0, 6]));
    let both = request(|builder| builder.attribute(RESPONSE_PORT, &[0, 9]).attribute(PADDING, &[0; 4]));
    for request in [zero, short, flags, both] {
        let refusal = Plan::new(discovery(), at_primary(), &parse(&request)).unwrap_err();
        assert!(matches!(refusal, Refusal::BadRequest(_)), "{refusal:?}");
    }
}

#[test]
fn padded_answer_is_as_long_as_its_request() {
    for wanted in [1498, 1499, 1500, 65_000] {
        let plain = request(|builder| builder.attribute(PADDING, &vec![b'x'; wanted]));
        let summed = request(|builder| builder.attribute(PADDING, &vec![b'x'; wanted]).fingerprint());
        for request in [plain, summed] {
            assert_eq!(answer(discovery(), at_primary(), &request).unwrap().len(), request.len());
        }
    }
}

#[test]
fn answers_have_these_sizes() {
    // Bytes of request and answer.
    let v6 = Discovery::new(&[address("[2001:db8::1]:3478")], Some(address("[2001:db8::2]:3479")));
    let at_v6 = ClientAddr {
        transport: Transport::Udp,
        remote: address("[2001:db8:1::1]:40000"),
        local: address("[2001:db8::1]:3478"),
    };
    let sizes = |build: &dyn Fn(MessageBuilder) -> MessageBuilder| {
        let request = request(build);
        let lengths = [(None, at_primary()), (discovery(), at_primary()), (None, at_v6), (v6, at_v6)]
            .map(|(discovery, client)| answered_length(discovery, client, &request));
        (request.len(), lengths)
    };
    assert_eq!(sizes(&|builder| builder), (20, [32, 68, 44, 116]));
    assert_eq!(sizes(&|builder| builder.fingerprint()), (28, [40, 76, 52, 124]));
    // 420 without discovery.
    assert_eq!(sizes(&|builder| builder.number(CHANGE_REQUEST, 0)), (28, [56, 68, 56, 116]));
    assert_eq!(sizes(&|builder| builder.number(CHANGE_REQUEST, 6)), (28, [56, 68, 56, 116]));
    assert_eq!(sizes(&|builder| builder.number(RESPONSE_PORT, 9 << 16)), (28, [56, 68, 56, 116]));
    assert_eq!(sizes(&|builder| builder.attribute(PADDING, b"")), (24, [56, 72, 56, 120]));
    assert_eq!(sizes(&|builder| builder.attribute(PADDING, &[0; 40])), (64, [56, 72, 56, 120]));
    assert_eq!(sizes(&|builder| builder.attribute(PADDING, &[0; 1500])), (1524, [56, 1524, 56, 1524]));
    // 420 and 400 with discovery.
    assert_eq!(sizes(&|builder| builder.attribute(0x7001, b"")), (24, [56; 4]));
    assert_eq!(sizes(&|builder| builder.number(RESPONSE_PORT, 0)), (28, [56, 56, 56, 56]));
    assert_eq!(sizes(&|builder| builder.attribute(CHANGE_REQUEST, b"")), (24, [56, 56, 56, 56]));
    let both = |builder: MessageBuilder| builder.attribute(RESPONSE_PORT, b"").attribute(PADDING, b"");
    assert_eq!(sizes(&both), (28, [56, 60, 56, 60]));
}

#[test]
fn no_answer_is_larger_by_more_than_its_addresses() {
    let parts: [(u16, &[u8]); 6] = [
        (CHANGE_REQUEST, &[0, 0, 0, 6]),
        (RESPONSE_PORT, &[0, 9]),
        (PADDING, &[0; 7]),
        (PADDING, &[0; 700]),
        (0x7001, b""),
        (0xff01, b"some"),
    ];
    for choice in 0..1_u32 << parts.len() {
        let request = request(|builder| {
            parts
                .iter()
                .enumerate()
                .filter(|(bit, _)| (choice >> bit) & 1 == 1)
                .fold(builder, |builder, (_, (kind, value))| builder.attribute(*kind, value))
        });
        let is_success = answer(discovery(), at_primary(), &request).is_ok();
        let surplus = if is_success { 48 } else { 32 };
        assert!(answered_length(discovery(), at_primary(), &request) <= request.len() + surplus, "choice {choice:b}");
        assert!(answered_length(None, at_primary(), &request) <= request.len() + 32, "choice {choice:b}");
    }
}

/// Bytes of whatever the answer is.
fn answered_length(discovery: Option<Discovery>, client: ClientAddr, request: &[u8]) -> usize {
    let error = |code, reason| MessageBuilder::new(Class::Error, Method::Binding, ID).error(code, reason);
    match answer(discovery, client, request) {
        Ok(bytes) => bytes.len(),
        Err(Refusal::BadRequest(reason)) => error(400, reason).finish().len(),
        Err(Refusal::UnknownAttributes(kinds)) => {
            let value: Vec<u8> = kinds.iter().flat_map(|kind| kind.to_be_bytes()).collect();
            error(420, "Unknown Attribute").attribute(UNKNOWN_ATTRIBUTES, &value).finish().len()
        }
        Err(other) => panic!("no refusal of a Binding request: {other:?}"),
    }
}

/// The whole answer, as the relay sends it.
fn answer(discovery: Option<Discovery>, client: ClientAddr, request: &[u8]) -> Result<Vec<u8>, Refusal> {
    let message = parse(request);
    let plan = Plan::new(discovery, client, &message)?;
    let mut answer = plan.write(MessageBuilder::new(Class::Success, Method::Binding, ID), &message);
    if message.fingerprint().is_some() {
        answer = answer.fingerprint();
    }
    Ok(answer.finish())
}

fn request(build: impl Fn(MessageBuilder) -> MessageBuilder) -> Vec<u8> {
    build(MessageBuilder::new(Class::Request, Method::Binding, ID)).finish()
}

fn parse(bytes: &[u8]) -> Message<'_> {
    Message::parse(bytes).unwrap()
}

fn discovery() -> Option<Discovery> {
    Discovery::new(&[address("192.0.2.1:3478")], Some(address("192.0.2.2:3479")))
}

fn at_primary() -> ClientAddr {
    over(Transport::Udp, address("192.0.2.1:3478"))
}

fn over(transport: Transport, local: SocketAddr) -> ClientAddr {
    ClientAddr { transport, remote: address("203.0.113.5:40000"), local }
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}
