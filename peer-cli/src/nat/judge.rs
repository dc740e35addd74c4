//! What the answers of a discovery mean (RFC 5780 sections 4.3 and 4.4), as pure functions.

use std::net::{IpAddr, SocketAddr};

use super::{Filtering, Mapping};

/// One answer to the socket whose mapping is looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Seen {
    /// Where the request went.
    pub(super) to: SocketAddr,
    /// The public address it came from, as seen there.
    pub(super) mapped: SocketAddr,
}

/// What became of a request for an answer from elsewhere.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Elsewhere {
    /// The answer came from there.
    Came,
    /// It came from the address that was asked.
    CameFromHere,
    /// The server does not do that; with its code.
    Refused(u16),
    /// Nothing came, although it was waited for.
    Nothing,
    /// There was no time to wait for it.
    NoTime,
}

/// A judgement, and where it is none, why.
pub(super) type Judged<T> = (T, Option<String>);

/// Judges a socket at `local` by how it was seen.
pub(super) fn mapping(local: SocketAddr, seen: &[Seen]) -> Judged<Mapping> {
    let Some(first) = seen.first() else {
        return (Mapping::Unknown, Some("No server told our public address.".to_owned()));
    };
    if seen.iter().all(|seen| seen.mapped == first.mapped) {
        return if same(first.mapped, local) {
            (Mapping::None, None)
        } else if seen.iter().any(|seen| seen.to.ip() != first.to.ip()) {
            (Mapping::EndpointIndependent, None)
        } else {
            let why = "Mapping: the server has no second address (OTHER-ADDRESS, RFC 5780) that answers; name another \
                       server beside it, or a dialtone-turn with --discovery.";
            (Mapping::Unknown, Some(why.to_owned()))
        };
    }
    let at = |ip: IpAddr| seen.iter().filter(move |seen| seen.to.ip() == ip);
    let differs_by_port = seen.iter().any(|one| at(one.to.ip()).any(|other| other.mapped != one.mapped));
    if differs_by_port {
        return (Mapping::AddressAndPortDependent, None);
    }
    if seen.iter().any(|one| at(one.to.ip()).any(|other| other.to != one.to)) {
        return (Mapping::AddressDependent, None);
    }
    let why = "Mapping: it depends on the destination; whether on its port too cannot be told, as no address was asked \
               at two ports. For calls it is the same.";
    (Mapping::AddressAndPortDependent, Some(why.to_owned()))
}

/// Judges the filter by what came from another address and port (`both`) and from another port (`port`) of a server
/// that was asked at one. `alive` says whether those two places of the server answer at all when they are asked.
pub(super) fn filtering(both: Elsewhere, port: Elsewhere, alive: (bool, bool)) -> Judged<Filtering> {
    let unknown = |why: String| (Filtering::Unknown, Some(format!("Filtering: {why}")));
    match both {
        Elsewhere::Came => return (Filtering::EndpointIndependent, None),
        Elsewhere::CameFromHere => {
            return unknown("the server answers from the address it was asked at, whatever is asked for.".to_owned());
        }
        Elsewhere::Refused(code) => {
            return unknown(format!("the server refuses to answer from another address ({code})."));
        }
        Elsewhere::NoTime => return unknown("the time was over before an answer could be missed.".to_owned()),
        Elsewhere::Nothing if !alive.0 => return unknown("the server's second address does not answer.".to_owned()),
        Elsewhere::Nothing => {}
    }
    match port {
        Elsewhere::Came => (Filtering::AddressDependent, None),
        Elsewhere::Nothing if alive.1 => (Filtering::AddressAndPortDependent, None),
        Elsewhere::Nothing => unknown("the server's second port does not answer.".to_owned()),
        Elsewhere::CameFromHere => unknown("the server answers from the port it was asked at.".to_owned()),
        Elsewhere::Refused(code) => unknown(format!("the server refuses to answer from another port ({code}).")),
        Elsewhere::NoTime => unknown("the time was over before an answer could be missed.".to_owned()),
    }
}

/// By address and port alone: a scope or a flow label is no difference.
pub(super) fn same(one: SocketAddr, other: SocketAddr) -> bool {
    one.ip() == other.ip() && one.port() == other.port()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: &str = "192.168.1.2:5000";

    /// Answers of a server at .10 and .11 with the ports 3478 and 3479, as `ip.port` in two digits each.
    fn seen(answers: &[(&str, &str)]) -> Vec<Seen> {
        let address = |text: &str| text.parse().unwrap();
        answers
            .iter()
            .map(|(to, mapped)| Seen { to: address(&format!("203.0.113.{to}")), mapped: address(mapped) })
            .collect()
    }

    fn mapped_as(answers: &[(&str, &str)]) -> Mapping {
        mapping(LOCAL.parse().unwrap(), &seen(answers)).0
    }

    #[test]
    fn the_same_address_towards_everybody_is_endpoint_independent_whatever_its_port() {
        for public in ["198.51.100.1:5000", "198.51.100.1:30077"] {
            let all = [("10:3478", public), ("10:3479", public), ("11:3478", public), ("11:3479", public)];
            for answers in [&all[..], &[all[0], all[3]], &[all[0], all[2]]] {
                assert_eq!(mapped_as(answers), Mapping::EndpointIndependent, "{answers:?}");
            }
        }
    }

    #[test]
    fn our_own_address_means_no_nat_even_where_a_single_server_says_so() {
        assert_eq!(mapped_as(&[("10:3478", LOCAL)]), Mapping::None);
        assert_eq!(mapped_as(&[("10:3478", LOCAL), ("11:3479", LOCAL)]), Mapping::None);
    }

    #[test]
    fn one_address_for_each_server_is_address_dependent() {
        let (one, two) = ("198.51.100.1:30001", "198.51.100.1:30002");
        let answers = [("10:3478", one), ("10:3479", one), ("11:3478", two), ("11:3479", two)];
        assert_eq!(mapped_as(&answers), Mapping::AddressDependent);
        assert_eq!(mapped_as(&answers[1..]), Mapping::AddressDependent);
    }

    #[test]
    fn one_address_for_each_port_is_address_and_port_dependent() {
        let public = |port: u16| format!("198.51.100.1:{port}");
        let [a, b, c, d] = [public(4), public(3), public(2), public(1)];
        let answers = [("10:3478", &a[..]), ("10:3479", &b[..]), ("11:3478", &c[..]), ("11:3479", &d[..])];
        assert_eq!(mapped_as(&answers), Mapping::AddressAndPortDependent);
        assert_eq!(mapped_as(&answers[..2]), Mapping::AddressAndPortDependent);
        let lucky = [("10:3478", &a[..]), ("10:3479", &b[..]), ("11:3478", &a[..]), ("11:3479", &b[..])];
        assert_eq!(mapped_as(&lucky), Mapping::AddressAndPortDependent);
    }

    #[test]
    fn two_servers_with_one_port_each_tell_same_from_different_and_say_what_they_cannot() {
        let same = [("10:3478", "198.51.100.1:1"), ("77:19302", "198.51.100.1:1")];
        assert_eq!(mapping(LOCAL.parse().unwrap(), &seen(&same)), (Mapping::EndpointIndependent, None));
        let other = [("10:3478", "198.51.100.1:1"), ("77:19302", "198.51.100.1:2")];
        let (mapping, why) = mapping(LOCAL.parse().unwrap(), &seen(&other));
        assert_eq!(mapping, Mapping::AddressAndPortDependent);
        assert!(why.unwrap().contains("whether on its port too cannot be told"));
    }

    #[test]
    fn one_address_of_a_server_does_not_tell() {
        for answers in [&[][..], &[("10:3478", "198.51.100.1:1")], &[("10:1", "198.51.100.1:1"); 2]] {
            let (mapping, why) = mapping(LOCAL.parse().unwrap(), &seen(answers));
            assert_eq!(mapping, Mapping::Unknown, "{answers:?}");
            assert!(why.is_some());
        }
    }

    #[test]
    fn a_filter_is_as_strict_as_what_it_keeps_out() {
        use Elsewhere::{Came, Nothing};
        let judge = |both, port| filtering(both, port, (true, true));
        assert_eq!(judge(Came, Nothing), (Filtering::EndpointIndependent, None));
        assert_eq!(judge(Came, Came), (Filtering::EndpointIndependent, None));
        assert_eq!(judge(Nothing, Came), (Filtering::AddressDependent, None));
        assert_eq!(judge(Nothing, Nothing), (Filtering::AddressAndPortDependent, None));
    }

    #[test]
    fn silence_proves_nothing_where_nobody_would_have_spoken() {
        use Elsewhere::{Came, CameFromHere, NoTime, Nothing, Refused};
        for (both, port, alive, word) in [
            (Nothing, Came, (false, true), "second address"),
            (Nothing, Nothing, (true, false), "second port"),
            (NoTime, Nothing, (true, true), "time"),
            (Nothing, NoTime, (true, true), "time"),
            (Refused(420), Nothing, (true, true), "420"),
            (Nothing, Refused(420), (true, true), "420"),
            (CameFromHere, Came, (true, true), "asked at"),
            (Nothing, CameFromHere, (true, true), "asked at"),
        ] {
            let (filtering, why) = filtering(both, port, alive);
            assert_eq!(filtering, Filtering::Unknown, "{both:?} {port:?}");
            let why = why.unwrap();
            assert!(why.contains(word), "{why}");
        }
    }
}
