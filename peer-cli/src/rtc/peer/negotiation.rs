//! Offers, answers and candidates, and what has to stay the same from one negotiation to the next.

use std::sync::{Arc, PoisonError};

use rtc::peer_connection::configuration::RTCOfferOptions;
use webrtc::{
    error::{Error, Result as StackResult},
    peer_connection::{RTCIceCandidateInit, RTCSessionDescription},
};

use super::Peer;
use crate::{
    call::{Candidate, DescriptionKind, RtcEvent},
    rtc::{
        MediaKind,
        engine::SendCodec,
        events::lock,
        media::Outgoing,
        sdp::{self, Setup},
    },
};

/// What one negotiation hands to the next. Its lock also keeps commands in the order in which they were given.
#[derive(Default)]
pub(super) struct Negotiation {
    /// Our DTLS role, settled by the first answer and kept for good: DTLS runs on through renegotiation and restart
    /// (RFC 8842 section 5.5), but the stack writes "active" into each answer, whatever it is. Chromium then breaks off
    /// with "Failed to set SSL role", and Firefox builds a new transport.
    role: Option<Setup>,
}

impl Peer {
    pub(super) async fn offer(&self, ice_restart: bool) -> StackResult<()> {
        let options = || Some(RTCOfferOptions { ice_restart });
        let offer = match self.pc.create_offer(options()).await {
            Err(Error::ErrSenderWithNoCodecs) => {
                self.stop_tracks_without_codec().await?;
                self.pc.create_offer(options()).await?
            }
            created => created?,
        };
        let sdp = offer.sdp.clone();
        self.pc.set_local_description(offer).await?;
        self.shared.tell_description(DescriptionKind::Offer, sdp);
        Ok(())
    }

    pub(super) async fn accept_offer(&self, sdp: String, negotiation: &mut Negotiation) -> StackResult<()> {
        let offer = RTCSessionDescription::offer(sdp.clone())?;
        let answered = match self.pc.set_remote_description(offer).await {
            Ok(()) => {
                lock(self.shared.hasty()).signaled(&sdp);
                self.shared.tell(RtcEvent::RemoteAccepted { kind: DescriptionKind::Offer });
                self.answer(negotiation).await
            }
            Err(error) => Err(error),
        };
        // The stack may fail halfway, with the offer pending; left there it would refuse every later one.
        if answered.is_err() && self.pc.pending_remote_description().await.is_some() {
            let rollback = RTCSessionDescription::rollback(None)?;
            if let Err(error) = self.pc.set_remote_description(rollback).await {
                tracing::warn!(%error, "a refused offer could not be rolled back");
            }
        }
        answered
    }

    async fn answer(&self, negotiation: &mut Negotiation) -> StackResult<()> {
        let answer = match self.pc.create_answer(None).await {
            Err(Error::ErrSenderWithNoCodecs) => {
                self.stop_tracks_without_codec().await?;
                self.pc.create_answer(None).await?
            }
            created => created?,
        };
        let sdp = match negotiation.role {
            // The stack takes back only what it wrote, so the far end alone sees the role corrected.
            Some(role) => sdp::with_setup(&answer.sdp, role),
            None => answer.sdp.clone(),
        };
        let codecs = self.codecs(&sdp, true);
        self.declare(codecs).await;
        self.shared.set_payload_types(sdp::payload_types(&sdp));
        self.pc.set_local_description(answer).await?;
        negotiation.role = negotiation.role.or_else(|| sdp::setup(&sdp));
        self.negotiated(codecs).await;
        self.shared.tell_description(DescriptionKind::Answer, sdp);
        Ok(())
    }

    pub(super) async fn accept_answer(&self, sdp: String, negotiation: &mut Negotiation) -> StackResult<()> {
        let answer = RTCSessionDescription::answer(sdp.clone())?;
        let codecs = self.codecs(&sdp, false);
        self.declare(codecs).await;
        if let Some(offer) = self.pc.pending_local_description().await {
            self.shared.set_payload_types(sdp::payload_types(&offer.sdp));
        }
        self.pc.set_remote_description(answer).await?;
        lock(self.shared.hasty()).signaled(&sdp);
        negotiation.role = negotiation.role.or_else(|| sdp::setup(&sdp).map(Setup::opposite));
        self.negotiated(codecs).await;
        self.shared.tell(RtcEvent::RemoteAccepted { kind: DescriptionKind::Answer });
        Ok(())
    }

    pub(super) async fn rollback(&self) -> StackResult<()> {
        let rollback = RTCSessionDescription::rollback(None)?;
        self.pc.set_local_description(rollback).await
    }

    pub(super) async fn add_candidate(&self, candidate: Candidate) -> StackResult<()> {
        let Candidate { candidate, sdp_mid, sdp_m_line_index } = candidate;
        // End of candidates (RFC 8838 section 8.2); the stack needs no telling.
        if candidate.trim().is_empty() {
            return Ok(());
        }
        let init = RTCIceCandidateInit {
            candidate: candidate.clone(),
            sdp_mid,
            sdp_mline_index: sdp_m_line_index,
            ..RTCIceCandidateInit::default()
        };
        self.pc.add_ice_candidate(init).await?;
        lock(self.shared.hasty()).signaled(&candidate);
        Ok(())
    }

    /// What we may send after an answer: (audio, video). A video codec in use stays in use while it can.
    fn codecs(&self, answer: &str, ours: bool) -> (Option<SendCodec>, Option<SendCodec>) {
        let stopped = self.stopped.read().unwrap_or_else(PoisonError::into_inner);
        let choose = |outgoing: &Option<Arc<Outgoing>>, kind, wanted: Vec<SendCodec>| {
            let outgoing = outgoing.as_ref()?;
            if stopped.contains(&kind) {
                return None;
            }
            let accepted = sdp::sendable(answer, ours, kind);
            outgoing.codec().into_iter().chain(wanted).find(|codec| accepted.contains(&codec.name()))
        };
        let video = self.sendable_video.iter().copied();
        (
            choose(&self.audio, MediaKind::Audio, vec![SendCodec::Opus]),
            choose(&self.video, MediaKind::Video, video.map(SendCodec::Video).collect()),
        )
    }

    /// Has to precede the answer, because the stack binds its sending machinery while it applies it.
    async fn declare(&self, (_, video): (Option<SendCodec>, Option<SendCodec>)) {
        if let (Some(outgoing), Some(codec)) = (&self.video, video)
            && outgoing.codec() != Some(codec)
            && let Err(error) = outgoing.declare(codec).await
        {
            tracing::warn!(%error, "lost video packets will not be sent again");
        }
    }

    async fn negotiated(&self, (audio, video): (Option<SendCodec>, Option<SendCodec>)) {
        if let Some(outgoing) = &self.audio {
            outgoing.set_negotiated(audio).await;
        }
        if let Some(outgoing) = &self.video {
            outgoing.set_negotiated(video).await;
        }
    }

    /// The stack writes no description at all while a track of ours has no codec left; without the track it rejects the
    /// section properly, and the rest of the call can go on.
    async fn stop_tracks_without_codec(&self) -> StackResult<()> {
        for outgoing in [&self.audio, &self.video].into_iter().flatten() {
            if outgoing.has_no_codec().await {
                tracing::warn!(kind = %outgoing.kind, "no common codec: nothing will be sent");
                self.pc.remove_track(outgoing.sender()).await?;
                self.stopped.write().unwrap_or_else(PoisonError::into_inner).push(outgoing.kind);
            }
        }
        Ok(())
    }
}
