//! Every allocation and every connection needs a file descriptor; many systems give a program 1024 until it asks.

use dialtone_turn::Config;

/// Asks the system for as many open files as the relay may need, and warns when it gets fewer.
#[cfg(unix)]
pub(crate) fn raise_limit(config: &Config) {
    use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};
    let wanted = rlim_t::try_from(wanted(config)).unwrap_or(rlim_t::MAX);
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        let better = wanted.min(hard);
        if better <= soft {
            return Ok(soft);
        }
        setrlimit(Resource::RLIMIT_NOFILE, better, hard).map(|()| better)
    });
    match raised {
        Ok(files) if files >= wanted => {}
        Ok(files) => tracing::warn!(
            files,
            wanted,
            "too few open files for all allocations and connections: raise the limit (ulimit -n), or lower \
             --max-allocations or --max-streams"
        ),
        Err(error) => tracing::warn!(%error, "cannot raise the limit of open files"),
    }
}

/// There is no such limit.
#[cfg(not(unix))]
pub(crate) fn raise_limit(_config: &Config) {}

/// One for each allocation and each connection, and what the threads and the program have besides.
///
/// An allocation with two relayed addresses takes two, but it is rare enough to let it take the place of a connection
/// that is not there.
#[cfg(unix)]
fn wanted(config: &Config) -> usize {
    /// Standard streams, log, signals, the operator's connections.
    const PROGRAM: usize = 128;
    /// What a thread needs to wait and to be woken.
    const THREAD: usize = 8;
    let workers = match config.workers {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        count => count,
    };
    let listeners = config.listen.len() + config.tls_listen.len();
    // On UDP and TCP each, and two more addresses with a twin for NAT discovery.
    let thread = THREAD + 2 * listeners + 4;
    let streams = config.limits.max_streams.saturating_mul(listeners);
    let threads = workers.saturating_mul(thread);
    config.limits.max_allocations.saturating_add(streams).saturating_add(threads).saturating_add(PROGRAM)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn allocations_and_connections_of_every_listener_are_counted() {
        let config = Config { workers: 1, ..Config::default() };
        let limits = &config.limits;
        let one = wanted(&config);
        assert!(one > limits.max_allocations + limits.max_streams);
        assert!(one < limits.max_allocations + limits.max_streams + 500);
        let listen = [config.listen.clone(), config.listen.clone()].concat();
        let two = wanted(&Config { listen, ..config.clone() });
        assert!(two >= one + limits.max_streams);
    }
}
