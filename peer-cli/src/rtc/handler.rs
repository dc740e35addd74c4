//! The stack's callbacks, handed on at once.

use std::sync::{Arc, atomic::Ordering};

use webrtc::{
    media_stream::track_remote::TrackRemote,
    peer_connection::{
        PeerConnectionEventHandler, RTCIceConnectionState, RTCIceGatheringState, RTCPeerConnectionIceEvent,
        RTCPeerConnectionState,
    },
};

use super::{
    events::{Gathered, Shared},
    incoming,
    turn_stream::Streams,
};
use crate::call::{IceState, RtcEvent};

/// The stack's callbacks.
pub(super) struct Handler {
    shared: Arc<Shared>,
    streams: Arc<Streams>,
}

impl Handler {
    /// `streams`: the servers that the stack takes for servers over UDP.
    pub(super) fn new(shared: Arc<Shared>, streams: Arc<Streams>) -> Self {
        Self { shared, streams }
    }
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_candidate(&self, event: RTCPeerConnectionIceEvent) {
        let mut candidate = event.candidate;
        if let Some(priority) = self.streams.priority(&event.url, candidate.priority) {
            candidate.priority = priority;
        }
        match candidate.to_json() {
            Ok(candidate) => self.shared.gathered(Gathered::Candidate(candidate.candidate)),
            Err(error) => tracing::warn!(%error, "a local candidate cannot be written down"),
        }
    }

    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.shared.gathered(Gathered::Complete);
        }
    }

    async fn on_ice_connection_state_change(&self, state: RTCIceConnectionState) {
        let state = match state {
            RTCIceConnectionState::New => IceState::New,
            RTCIceConnectionState::Checking => IceState::Checking,
            RTCIceConnectionState::Connected => IceState::Connected,
            RTCIceConnectionState::Completed => IceState::Completed,
            RTCIceConnectionState::Disconnected => IceState::Disconnected,
            RTCIceConnectionState::Failed => IceState::Failed,
            RTCIceConnectionState::Closed => IceState::Closed,
            RTCIceConnectionState::Unspecified => return,
            _ => return,
        };
        self.shared.tell(RtcEvent::IceState(state));
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        let connected = self.shared.connected();
        match state {
            RTCPeerConnectionState::Connected if self.shared.finish_handshake() => {
                connected.store(true, Ordering::Release);
                self.shared.tell(RtcEvent::Connected);
            }
            RTCPeerConnectionState::Connected => {
                tracing::debug!("DTLS was broken off, which the stack calls connected")
            }
            // The keys outlive a lost path, so a sender may go on while ICE looks for another.
            RTCPeerConnectionState::Disconnected => self.shared.tell(RtcEvent::Disconnected),
            RTCPeerConnectionState::Failed => {
                connected.store(false, Ordering::Release);
                self.shared.tell(RtcEvent::Failed);
            }
            RTCPeerConnectionState::Closed => self.shared.tell_closed(),
            RTCPeerConnectionState::Unspecified | RTCPeerConnectionState::New | RTCPeerConnectionState::Connecting => {}
            _ => {}
        }
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        self.shared.own(incoming::receive(Arc::clone(&self.shared), track));
    }
}
