//! What the server says and what the engine reports.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Running;
use crate::call::{CommandKind, FromServer, RtcEvent};
use crate::clock::now;
use crate::peer::Milestone;
use crate::rtc::{self, IceServer, PeerEvent};
use crate::signaling;

impl Running {
    pub(super) async fn server_event(&mut self, event: signaling::Event) {
        let at = now();
        match event {
            signaling::Event::Connected { version, server } => {
                self.server = server;
                self.diary.reached(Milestone::StompConnected, at);
                self.chronicle.message(at, false, "CONNECTED", format!("STOMP {version}"));
                // The conversation joins in the same breath.
                self.chronicle.message(at, true, "JOIN", self.setup.signaling.room.as_str());
            }
            signaling::Event::IceServers(servers) => {
                self.served_ice = servers
                    .into_iter()
                    .map(|s| IceServer { urls: s.urls, username: s.username, credential: s.credential })
                    .collect();
            }
            signaling::Event::Call(event) => {
                self.chronicle.server(at, &event);
                match &event {
                    FromServer::Lost | FromServer::GaveUp { .. } => self.signaling_lost = true,
                    FromServer::Back => self.signaling_lost = false,
                    FromServer::Me(_) if self.engine.is_none() => self.start_engine().await,
                    FromServer::Me(_)
                    | FromServer::Members(_)
                    | FromServer::Ready
                    | FromServer::Signal { .. }
                    | FromServer::Leave(_)
                    | FromServer::Refused { .. } => {}
                }
                self.call.handle_server(now(), event);
            }
        }
    }

    async fn start_engine(&mut self) {
        let mut config = self.setup.rtc.clone();
        let (served, unusable) = IceServer::keep_usable(&self.served_ice);
        self.path.unusable_turn =
            IceServer::any_named(&self.served_ice, "turn") && !IceServer::any_named(&served, "turn");
        for error in unusable {
            tracing::warn!(%error, "a server that signaling named is left aside");
        }
        config.ice_servers.extend(served);
        // Whoever may vouch for the signaling server may vouch for a relay.
        config.tls.get_or_insert_with(|| Arc::clone(&self.setup.signaling.tls));
        self.path.ice_servers.clone_from(&config.ice_servers);
        match rtc::Peer::new(config, self.engine_events.clone()).await {
            Ok(engine) => self.engine = Some(engine),
            Err(error) => {
                let failed = RtcEvent::CommandFailed { command: CommandKind::CreateOffer, reason: error.to_string() };
                self.call.handle_rtc(now(), failed);
            }
        }
    }

    pub(super) fn engine_event(&mut self, event: PeerEvent) {
        match event {
            PeerEvent::Call(event) => {
                if event == RtcEvent::Connected {
                    self.connected();
                }
                if event == RtcEvent::RelayLost {
                    self.diary.reached(Milestone::RelayLost, now());
                }
                if let RtcEvent::LocalCandidate(candidate) = &event {
                    self.chronicle.gathered(now(), candidate);
                }
                if matches!(event, RtcEvent::Disconnected | RtcEvent::Failed | RtcEvent::Closed) {
                    self.setup.signaling.in_call.store(false, Ordering::Relaxed);
                }
                self.call.handle_rtc(now(), event);
            }
            PeerEvent::Rtp { kind, codec, clock_rate, packet, at } => {
                self.intake.packet(at, kind, (&codec, clock_rate), packet);
            }
            PeerEvent::SenderReport { kind, ssrc, ntp, rtp_timestamp, at } => {
                self.intake.sender_report(kind, ssrc, at, ntp, rtp_timestamp);
            }
            PeerEvent::Repaired { ssrc, sequence } => self.intake.repaired(ssrc, sequence),
            PeerEvent::KeyFrameRequested => self.sending.key_frame_requested(),
        }
    }

    fn connected(&mut self) {
        self.setup.signaling.in_call.store(true, Ordering::Relaxed);
        if self.connected_at.is_none() {
            self.connected_at = Some(now());
            if let Some(engine) = &self.engine {
                self.sending.start(engine.video_sender(), engine.audio_sender());
            }
        }
    }
}
