//! When the large buffers of a WebSocket may be given back.
//!
//! A WebSocket keeps the largest buffers that it ever used: after one large message an idle connection would stay large
//! for ever. So it is made anew, with small buffers, around the same stream. Nothing may lie in the old ones then. What
//! was sent is gone after a flush. Of what was read, the beginning of the next message may be there already, and the
//! WebSocket does not tell. Hence the count kept here.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::counted::Counted;

/// A buffer that held more than this many bytes is worth giving back.
const LARGE: usize = 2048;

/// What has passed through a WebSocket, over all its renewals.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    /// The fewest bytes that the messages received can have had on their way.
    consumed: u64,
    /// Something large has passed since the last renewal.
    bloated: bool,
}

impl Buffers {
    /// A message of a client came out of the WebSocket, a ping or a pong too, with `length` bytes of content.
    pub(crate) fn received(&mut self, length: usize) {
        // RFC 6455 section 5.2: two bytes, the length once more where it does not fit in there, and the mask.
        let extended_length = match length {
            0..126 => 0,
            126..65_536 => 2,
            _ => 8,
        };
        self.consumed += 2 + extended_length + 4 + length as u64;
        self.bloated |= length > LARGE;
    }

    /// Messages with `length` bytes of content in all are written at once.
    pub(crate) fn sent(&mut self, length: usize) {
        self.bloated |= length > LARGE;
    }

    /// Whether there are large buffers and nothing is in them, given that all was flushed and that the WebSocket has read
    /// `bytes_read` bytes.
    ///
    /// A message in fragments, or one whose length is written longer than it need be, took more bytes than were counted,
    /// never fewer. So `consumed` is at most what the messages received took, and that is at most what was read. If the
    /// first equals the last, then every byte that was read belongs to a message that came out: no other message, no
    /// fragment and no header has begun. After odd messages they never are equal again, and the buffers stay.
    pub(crate) fn may_be_renewed(&self, bytes_read: u64) -> bool {
        self.bloated && self.consumed == bytes_read
    }

    /// The buffers are small again.
    pub(crate) fn renewed(&mut self) {
        // The two counts go on; they were equal, so they can be so again.
        self.bloated = false;
    }
}

/// Makes the WebSocket of a server anew around its stream. What its buffers hold is lost: see
/// [`may_be_renewed`](Buffers::may_be_renewed). Does not wait for anything.
pub(crate) async fn renew<I: AsyncRead + AsyncWrite + Unpin>(socket: &mut WebSocketStream<Counted<I>>) {
    let config = *socket.get_config();
    let stream = socket.get_mut().take();
    *socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
}

#[cfg(test)]
mod tests {
    use futures_util::{SinkExt, StreamExt};
    use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

    use super::*;

    /// A WebSocket of a server with what is counted of it.
    struct Bench {
        socket: WebSocketStream<Counted<DuplexStream>>,
        buffers: Buffers,
    }

    impl Bench {
        async fn new() -> (Self, DuplexStream) {
            let (near, far) = duplex(1 << 20);
            let config = WebSocketConfig::default().read_buffer_size(4096);
            let socket = WebSocketStream::from_raw_socket(Counted::new(near), Role::Server, Some(config)).await;
            (Self { socket, buffers: Buffers::default() }, far)
        }

        async fn receive(&mut self) -> Message {
            let message = self.socket.next().await.unwrap().unwrap();
            self.buffers.received(message.len());
            message
        }

        fn may_be_renewed(&self) -> bool {
            self.buffers.may_be_renewed(self.socket.get_ref().bytes_read())
        }

        async fn renew(&mut self) {
            assert!(self.may_be_renewed());
            renew(&mut self.socket).await;
            self.buffers.renewed();
        }
    }

    /// A masked frame whose length is written in two bytes, however small it is; the mask changes nothing.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(payload.len()).unwrap();
        [&[first, 0x80 | 126][..], &length.to_be_bytes(), &[0; 4], payload].concat()
    }

    #[tokio::test]
    async fn after_messages_of_every_size_the_stream_goes_on_in_a_new_websocket() {
        let (mut bench, far) = Bench::new().await;
        let mut client = WebSocketStream::from_raw_socket(far, Role::Client, None).await;
        for round in 1..=3 {
            for length in [0, 1, 125, 126, 2048, 2049, 65_535, 65_536, 200_000] {
                let message = Message::binary(vec![b'x'; length]);
                client.send(message.clone()).await.unwrap();
                assert_eq!(bench.receive().await, message);
                assert_eq!(bench.may_be_renewed(), length > 2048, "round {round}, {length} bytes");
                if length == 2049 {
                    bench.renew().await;
                    bench.buffers.sent(3000);
                    bench.renew().await;
                    bench.buffers.sent(2000);
                    assert!(!bench.may_be_renewed(), "little was sent");
                    bench.buffers.sent(2049);
                }
            }
            let ping = Message::Ping("ping".into());
            client.send(ping.clone()).await.unwrap();
            assert_eq!(bench.receive().await, ping);
            bench.socket.flush().await.unwrap();
            bench.renew().await;
            let answer = Message::text("y".repeat(5000));
            bench.socket.send(answer.clone()).await.unwrap();
            assert_eq!(client.next().await.unwrap().unwrap(), Message::Pong("ping".into()));
            assert_eq!(client.next().await.unwrap().unwrap(), answer);
        }
    }

    #[tokio::test]
    async fn the_buffers_stay_while_the_next_message_has_begun() {
        let next = frame(0x82, &[7; 200]);
        for begun in [1, 7, 8, 100, 207] {
            let (mut bench, mut far) = Bench::new().await;
            let (first, second) = next.split_at(begun);
            far.write_all(&[&frame(0x82, &[1; 3000])[..], first].concat()).await.unwrap();
            assert_eq!(bench.receive().await.len(), 3000);
            assert!(!bench.may_be_renewed(), "{begun} bytes of the next message were read");
            far.write_all(second).await.unwrap();
            assert_eq!(bench.receive().await, Message::binary(vec![7; 200]));
            bench.renew().await;
            far.write_all(&next).await.unwrap();
            assert_eq!(bench.receive().await, Message::binary(vec![7; 200]));
        }
    }

    #[tokio::test]
    async fn odd_messages_prove_nothing_and_the_buffers_stay() {
        let fragments = [frame(0x02, &[1; 1000]), frame(0x89, b""), frame(0x80, &[1; 2000])].concat();
        let (mut bench, mut far) = Bench::new().await;
        bench.buffers.sent(3000);
        far.write_all(&fragments).await.unwrap();
        assert_eq!(bench.receive().await, Message::Ping("".into()));
        assert!(!bench.may_be_renewed(), "a fragment is kept");
        assert_eq!(bench.receive().await, Message::binary(vec![1; 3000]));
        assert!(!bench.may_be_renewed());

        let (mut bench, mut far) = Bench::new().await;
        far.write_all(&[frame(0x82, &[1; 3000]), frame(0x82, b"short")].concat()).await.unwrap();
        bench.receive().await;
        bench.receive().await;
        assert!(!bench.may_be_renewed(), "nothing is there, but who knows");
    }
}
