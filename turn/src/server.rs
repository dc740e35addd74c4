//! A running relay: listeners bound, workers started, and all of it stopped together.

mod bind;
mod check;

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::task::{JoinSet, spawn_blocking};
use tracing::{info, warn};

use self::bind::{bind, bind_admin};
pub use self::check::SpawnError;
use self::check::{prepare, workers};
use crate::admin::{self, Snapshot};
use crate::auth::Credentials;
use crate::config::Config;
use crate::io::tls::{Identity, Reloaded, TlsError};
use crate::io::{self as hands, Alarm, Crew, Shared, interfaces};
use crate::metrics::{Counters, Totals};
use crate::relay::Ledger;

/// How often to look which addresses this machine has.
const LOOK_AT_INTERFACES: Duration = Duration::from_secs(15);

/// A relay that serves until it is shut down or dropped. Dropping it blocks for the moment that its threads take to
/// end.
#[derive(Debug)]
pub struct Relay {
    crew: Crew,
    status: Arc<Status>,
    identity: Option<Arc<Identity>>,
    /// Serves metrics and watches the certificate.
    tasks: JoinSet<()>,
    udp: Vec<SocketAddr>,
    tcp: Vec<SocketAddr>,
    tls: Vec<SocketAddr>,
    admin: Option<SocketAddr>,
}

/// What can be known of a running relay from outside its workers.
#[derive(Debug)]
struct Status {
    counters: Vec<Arc<Counters>>,
    ledger: Arc<Ledger>,
    alarm: Arc<Alarm>,
    started: SystemTime,
    /// Ports of the UDP listeners.
    ports: Vec<u16>,
}

impl Status {
    fn totals(&self) -> Totals {
        self.counters.iter().fold(Totals::default(), |sum, counters| sum + counters.totals())
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            totals: self.totals(),
            draining: self.ledger.is_draining(),
            failed: self.alarm.is_rung(),
            udp_ports: self.ports.clone(),
            workers: self.counters.len(),
            started: self.started,
        }
    }
}

impl Relay {
    /// Binds every listener and starts serving. When it returns, clients can connect.
    ///
    /// # Errors
    /// A configuration that cannot work ([`SpawnError::is_usage`]), or an address that cannot be bound.
    pub async fn spawn(config: Config) -> Result<Self, SpawnError> {
        let (config, identity) = spawn_blocking(move || {
            let identity = prepare(&config)?;
            Ok::<_, SpawnError>((config, identity))
        })
        .await
        .map_err(|error| SpawnError::System(io::Error::other(error)))??;
        let workers = workers(&config)?;
        let bound = bind(&config, workers)?;
        let admin = config.admin.map(bind_admin).transpose()?;
        let mut seed = [0; 32];
        hands::fill_random(&mut seed).map_err(SpawnError::System)?;

        let clock = hands::clock();
        let local = |listener: &TcpListener| listener.local_addr().map_err(SpawnError::System);
        let udp = bound.udp.iter().filter_map(|sockets| sockets.first()).map(UdpSocket::local_addr);
        let udp = udp.collect::<Result<Vec<_>, _>>().map_err(SpawnError::System)?;
        let status = Arc::new(Status {
            counters: (0..workers).map(|_| Arc::default()).collect(),
            ledger: Arc::new(Ledger::new(&config, &seed, clock.mono)),
            alarm: Arc::default(),
            started: clock.unix,
            ports: udp.iter().map(SocketAddr::port).collect(),
        });
        know_this_machine(&status.ledger);
        let tcp = bound.tcp.iter().map(local).collect::<Result<_, _>>()?;
        let tls = bound.tls.iter().map(local).collect::<Result<_, _>>()?;
        let certificate_check = config.lifetimes.certificate_check;
        let shared = Shared {
            config: Arc::new(config),
            ledger: Arc::clone(&status.ledger),
            identity: identity.clone(),
            seed,
            alarm: Arc::clone(&status.alarm),
        };
        let crew = Crew::start(&shared, bound, &status.counters).map_err(SpawnError::System)?;

        let mut relay = Self { crew, status, identity, tasks: JoinSet::new(), udp, tcp, tls, admin: None };
        if let Some(listener) = admin {
            relay.admin = Some(listener.local_addr().map_err(SpawnError::System)?);
            let status = Arc::clone(&relay.status);
            let listener = tokio::net::TcpListener::from_std(listener).map_err(SpawnError::System)?;
            relay.tasks.spawn(admin::serve(listener, move || status.snapshot()));
        }
        relay.tasks.spawn(keep_knowing_this_machine(Arc::clone(&relay.status.ledger)));
        if let Some(identity) = relay.identity.clone() {
            relay.tasks.spawn(watch(identity, certificate_check));
        }
        Ok(relay)
    }

    /// Where UDP clients come to, in the order of the configuration; those of NAT behaviour discovery last.
    #[must_use]
    pub fn udp_addrs(&self) -> &[SocketAddr] {
        &self.udp
    }

    /// Where TCP clients come to, in the order of the configuration.
    #[must_use]
    pub fn tcp_addrs(&self) -> &[SocketAddr] {
        &self.tcp
    }

    /// Where TLS clients come to, in the order of the configuration.
    #[must_use]
    pub fn tls_addrs(&self) -> &[SocketAddr] {
        &self.tls
    }

    /// Where metrics and health are served.
    #[must_use]
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// What has been relayed so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.status.totals()
    }

    /// Allocations that exist now.
    #[must_use]
    pub fn live_allocations(&self) -> u64 {
        self.totals().live_allocations
    }

    /// Refuses new allocations from now on, with [`Config::alternate_server`] where there is one; those that exist
    /// go on until their clients end them or let them expire.
    pub fn drain(&self) {
        self.status.ledger.set_draining(true);
    }

    /// Returns when a worker has failed, which no input should bring about. The relay has then stopped serving: its
    /// owner starts another one, or ends.
    pub async fn failed(&self) {
        self.status.alarm.wait().await;
    }

    /// Who may start from now on; allocations that exist go on. For a secret that is exchanged while clients still
    /// have names made with the one before it.
    ///
    /// # Errors
    /// [`SpawnError::NoCredentials`] when nobody could ever prove anything; those before stay.
    pub fn set_credentials(&self, credentials: Credentials) -> Result<(), SpawnError> {
        if credentials.is_empty() {
            return Err(SpawnError::NoCredentials);
        }
        self.status.ledger.set_credentials(credentials);
        Ok(())
    }

    /// Reads certificate and key again. Connections that exist go on as they are. `false` when the files have not
    /// changed, or there are none.
    ///
    /// # Errors
    /// The new files are of no use; the old certificate goes on serving.
    pub async fn reload_certificate(&self) -> Result<bool, TlsError> {
        match self.identity.clone() {
            Some(identity) => reload(identity).await,
            None => Ok(false),
        }
    }

    /// Stops serving, ends every allocation, and returns once all sockets are closed.
    pub async fn shutdown(mut self) {
        self.tasks.shutdown().await;
        let Self { mut crew, status, .. } = self;
        // Joining threads blocks.
        let stopped = spawn_blocking(move || crew.stop()).await;
        if stopped.is_err() {
            warn!("the relay did not stop cleanly");
        }
        let totals = status.totals();
        info!(
            allocations = totals.allocations,
            bytes_to_peers = totals.bytes_to_peers,
            bytes_to_clients = totals.bytes_to_clients,
            dropped_packets = totals.dropped_packets,
            "relay stopped"
        );
    }
}

/// Checks a configuration as [`Relay::spawn`] would, certificate and key included, without binding anything. Blocks.
///
/// # Errors
/// The first fault found.
pub fn check(config: &Config) -> Result<(), SpawnError> {
    prepare(config).map(drop)
}

async fn reload(identity: Arc<Identity>) -> Result<bool, TlsError> {
    match spawn_blocking(move || identity.reload()).await {
        Ok(reloaded) => Ok(reloaded? == Reloaded::Changed),
        // The runtime is shutting down.
        Err(_) => Ok(false),
    }
}

fn know_this_machine(ledger: &Ledger) {
    if let Some(addresses) = interfaces::addresses() {
        ledger.machine_has(addresses);
    }
}

/// Keeps up with the addresses that this machine has.
async fn keep_knowing_this_machine(ledger: Arc<Ledger>) {
    let mut tick = tokio::time::interval(LOOK_AT_INTERFACES);
    loop {
        tick.tick().await;
        know_this_machine(&ledger);
    }
}

/// Has new files serve every later handshake.
async fn watch(identity: Arc<Identity>, period: Duration) {
    let mut tick = tokio::time::interval(period.max(Duration::from_millis(10)));
    let mut told = None;
    loop {
        tick.tick().await;
        if !identity.changed_on_disk() {
            continue;
        }
        match reload(Arc::clone(&identity)).await {
            Ok(true) => info!("the certificate was exchanged"),
            Ok(false) => {}
            Err(error) => {
                let error = error.to_string();
                // Once for each fault, though it is tried again and again.
                if told.as_ref() != Some(&error) {
                    warn!(error, "the new certificate is of no use, the old one goes on");
                    told = Some(error);
                }
                continue;
            }
        }
        told = None;
    }
}
