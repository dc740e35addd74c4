//! The addresses that this machine has: nobody shall reach its own services through the relay.

use std::net::IpAddr;

/// Every address of every interface; `None` where the system does not tell.
#[cfg(unix)]
pub(crate) fn addresses() -> Option<Vec<IpAddr>> {
    let all = match nix::ifaddrs::getifaddrs() {
        Ok(all) => all,
        Err(error) => {
            tracing::debug!(%error, "the machine's addresses cannot be read");
            return None;
        }
    };
    let all = all.filter_map(|interface| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
    });
    Some(all.collect())
}

/// Unknown here: only the addresses that the relay itself uses are.
#[cfg(not(unix))]
pub(crate) fn addresses() -> Option<Vec<IpAddr>> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn loopback_is_an_address_of_this_machine() {
        assert!(addresses().unwrap().contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)));
    }
}
