//! The relay under test as a process, and what it tells its operator.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

use dialtone_tests::{LIMIT, Program};

/// A relay that is ready.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) program: Program,
    ready: String,
}

impl Relay {
    /// On a free port of 127.0.0.1, and wherever `args` say besides.
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut all = vec!["--listen", "127.0.0.1:0"];
        all.extend(args);
        Self::exactly(&all)
    }

    /// Only where `args` say.
    pub(crate) fn exactly(args: &[&str]) -> Self {
        let program = Program::start("dialtone-turn", ["--admin", "127.0.0.1:0"].iter().chain(args));
        let ready = program.ready("dialtone-turn ready on ");
        Self { program, ready }
    }

    /// Where it serves `scheme` (`udp`, `tcp`, `tls`) on `host` (`127.0.0.1`, `[::1]`).
    pub(crate) fn at(&self, scheme: &str, host: &str) -> SocketAddr {
        let wanted = format!("{scheme}://{host}:");
        let url = self.ready.split_whitespace().find(|url| url.starts_with(&wanted));
        let url = url.unwrap_or_else(|| panic!("no {wanted} in {:?}", self.ready));
        url[scheme.len() + "://".len()..].trim_end_matches('/').parse().unwrap()
    }

    /// Where UDP clients of these tests come to.
    pub(crate) fn udp(&self) -> SocketAddr {
        self.at("udp", "127.0.0.1")
    }

    /// A counter of its metrics page, all labels added up.
    pub(crate) fn counter(&self, name: &str) -> u64 {
        let page = self.page("/metrics");
        let values: Vec<u64> = page.lines().filter_map(|line| sample(line, name)).collect();
        assert!(!values.is_empty(), "there is no {name} in\n{page}");
        values.iter().sum()
    }

    /// A page for the operator, with its HTTP head.
    pub(crate) fn page(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.at("http", "127.0.0.1")).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\nHost: relay\r\n\r\n").unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).unwrap();
        page
    }
}

/// The value in a line of the Prometheus text format, where it is one of the metric `name`.
fn sample(line: &str, name: &str) -> Option<u64> {
    let rest = line.strip_prefix(name)?;
    rest.strip_prefix([' ', '{'])?.rsplit([' ', '}']).next()?.parse().ok()
}

/// The first of `count` ports in a row where nobody serves.
///
/// They lie below those that the system gives out by itself, so that nobody gets one of them in the meantime.
pub(super) fn free_ports(count: u16) -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    // Other runs of these tests begin elsewhere.
    let begin = std::process::id() % 997 * 12;
    for _ in 0..1000 {
        let offset = u32::from(TAKEN.fetch_add(count, Ordering::Relaxed));
        let first = u16::try_from(20_000 + (begin + offset) % 12_000).unwrap();
        if (first..first + count).all(is_free) {
            return first;
        }
    }
    panic!("there are no {count} free ports in a row");
}

fn is_free(port: u16) -> bool {
    let anywhere = (Ipv4Addr::UNSPECIFIED, port);
    UdpSocket::bind(anywhere).is_ok() && TcpListener::bind(anywhere).is_ok()
}
