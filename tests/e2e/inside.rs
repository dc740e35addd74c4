//! A signaling server inside this process, for limits that no option sets.

use dialtone_server::{Config, Server};
use dialtone_tests::busy;
use tokio::runtime::{Builder, Runtime};

/// A running server with a runtime of its own, so that blocking tests can use it.
pub(crate) struct Inside {
    runtime: Runtime,
    server: Option<Server>,
}

impl Inside {
    /// A server on a free port of this machine, with the defaults changed by `change`.
    pub(crate) fn spawn(change: impl FnOnce(&mut Config)) -> Self {
        busy();
        let mut config = Config::embedded();
        change(&mut config);
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let server = runtime.block_on(Server::spawn(config)).unwrap();
        Self { runtime, server: Some(server) }
    }

    /// Where clients connect.
    pub(crate) fn url(&self) -> String {
        self.server.as_ref().unwrap().ws_url()
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.shutdown());
        }
    }
}
