//! What the brain decided, carried out: packets queued and sent, relay sockets opened and closed.

use std::sync::{MutexGuard, PoisonError};
use std::time::Instant;

use tracing::debug;

use super::Worker;
use crate::io::flows::Via;
use crate::io::ports::{Ports, RelaySocket};
use crate::relay::{ClientAddr, Decision, Now, OpenFailure, Output, RelayId, Transport};

/// Zero bytes to fill a frame up to four.
static PADDING: [u8; 3] = [0; 3];

impl Worker {
    /// One datagram or frame of a client.
    pub(super) fn datagram_or_frame(&mut self, now: Now, from: ClientAddr, bytes: &[u8]) {
        match self.core.route(now, from, bytes) {
            // Maybe a request: its answer waits among the outputs.
            Decision::Done => self.carry_out(now.mono),
            decision @ (Decision::ToPeer { .. } | Decision::ToClient { .. } | Decision::ToSibling { .. }) => {
                self.pass_on(now.mono, decision);
            }
        }
    }

    /// Queues a packet where the brain said.
    pub(super) fn pass_on(&mut self, now: Instant, decision: Decision<'_>) {
        match decision {
            Decision::Done => {}
            Decision::ToPeer { relay, to, payload, dont_fragment } => {
                self.egress.push(Via::Relay(relay.slot), None, to, dont_fragment, &[payload]);
            }
            Decision::ToClient { to, head, payload, padding } => {
                let padding = PADDING.get(..padding).unwrap_or_default();
                self.queue_for_client(now, to, &[head.as_bytes(), payload, padding]);
            }
            Decision::ToSibling { worker, from, to, payload } => {
                let mailbox = self.mailboxes.get(usize::from(worker));
                if !mailbox.is_some_and(|mailbox| mailbox.post(from, to, payload)) {
                    self.counters.dropped(1);
                }
            }
        }
    }

    fn queue_for_client(&mut self, now: Instant, to: ClientAddr, parts: &[&[u8]]) {
        let queued = match to.transport {
            Transport::Udp => match self.outlets.towards_client(to.local) {
                Some((via, from)) => {
                    self.egress.push(via, from, to.remote, false, parts);
                    true
                }
                None => false,
            },
            Transport::Tcp | Transport::Tls => {
                // A full queue may only be waiting for us: a client that reads loses nothing.
                self.streams.push_data(to, parts) || {
                    self.streams.flush(now);
                    self.streams.push_data(to, parts)
                }
            }
        };
        if !queued {
            self.counters.dropped(1);
        }
    }

    /// Drains the brain's outputs.
    pub(super) fn carry_out(&mut self, now: Instant) {
        while let Some(output) = self.core.poll_output() {
            match output {
                Output::Send { to, bytes } => match to.transport {
                    Transport::Udp => self.queue_for_client(now, to, &[&bytes]),
                    Transport::Tcp | Transport::Tls => {
                        if !self.streams.push_answer(to, &bytes) {
                            debug!("an answer was not sent");
                        }
                    }
                },
                Output::OpenRelaySocket { relay, bind, towards, port } => {
                    let opened = self.ports().open(now, bind, towards, port);
                    self.opened(now, relay, opened);
                }
                Output::AdoptRelaySocket { relay, token } => {
                    let adopted = self.ports().adopt(token);
                    self.opened(now, relay, adopted.ok_or(OpenFailure::NoPort));
                }
                Output::DropReserved { token } => self.ports().drop_reserved(token),
                Output::CloseRelaySocket { relay } => {
                    // What the allocation was promised to send is sent.
                    self.flush(now);
                    if let Some(local) = self.outlets.close(relay) {
                        self.ports().release(local);
                    }
                }
            }
        }
    }

    fn opened(&mut self, now: Instant, relay: RelayId, opened: Result<RelaySocket, OpenFailure>) {
        let registered = opened.and_then(|opened| {
            let local = opened.local;
            self.outlets.open(self.poll.registry(), relay, opened).map(|()| local).map_err(|local| {
                self.ports().release(local);
                OpenFailure::NoPort
            })
        });
        match registered {
            Ok(local) => self.core.allocation_opened(now, relay, local),
            Err(failure) => self.core.allocation_failed(now, relay, failure),
        }
    }

    /// Tells the brain that a connection has ended.
    pub(super) fn client_gone(&mut self, now: Now, client: ClientAddr) {
        self.core.client_gone(now.mono, client);
        self.carry_out(now.mono);
    }

    /// Sends all that is queued.
    pub(super) fn flush(&mut self, now: Instant) {
        let lost = self.egress.flush(now, &mut self.outlets);
        if lost > 0 {
            self.counters.dropped(lost);
        }
        self.streams.flush(now);
    }

    fn ports(&self) -> MutexGuard<'_, Ports> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
