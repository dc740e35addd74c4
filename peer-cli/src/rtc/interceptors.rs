//! Lets the far end's key frame requests out of the stack.
//!
//! The stack ends incoming RTCP at the end of its interceptor chain unless an interceptor marks a packet for the
//! application. Without this one nobody would answer a PLI, and a receiver that lost a frame would wait for the next
//! scheduled key frame: seconds instead of a round trip.

use std::{collections::VecDeque, time::Instant};

use rtc::{
    interceptor::{Attribute, Interceptor, Packet, StreamInfo, TaggedPacket},
    rtcp::payload_feedbacks::{full_intra_request::FullIntraRequest, picture_loss_indication::PictureLossIndication},
    sansio::Protocol,
    shared::error::Error,
};

/// Where it stands in the chain: behind every other interceptor, so all of them have seen the whole of the RTCP first.
pub(super) const POSITION: usize = 14_000;

/// Marks PLI and FIR for the application and holds back all other incoming RTCP, which the interceptors before it
/// have already acted upon.
#[derive(Default)]
pub(super) struct KeyFrameRequests {
    incoming: VecDeque<TaggedPacket>,
    outgoing: VecDeque<TaggedPacket>,
}

/// Whether an RTCP packet asks for a key frame.
pub(super) fn is_key_frame_request(packet: &dyn rtc::rtcp::Packet) -> bool {
    let packet = packet.as_any();
    packet.is::<PictureLossIndication>() || packet.is::<FullIntraRequest>()
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for KeyFrameRequests {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, mut packet: TaggedPacket) -> Result<(), Self::Error> {
        // An empty compound packet is the stack's own carrier of attributes and passes untouched.
        if let Packet::Rtcp(compound) = &mut packet.message.packet
            && !compound.is_empty()
        {
            compound.retain(|one| is_key_frame_request(&**one));
            if compound.is_empty() {
                return Ok(());
            }
            packet.message.add(Attribute::DeliverToApplication);
        }
        self.incoming.push_back(packet);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<Self::Rout> {
        self.incoming.pop_front()
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Self::Error> {
        self.outgoing.push_back(packet);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<Self::Wout> {
        self.outgoing.pop_front()
    }
}

// It looks at packets only, whatever stream they belong to.
impl Interceptor for KeyFrameRequests {
    fn bind_local_stream(&mut self, _: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}
