//! The hands of the conversation: one task that dials, moves bytes, dials again.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use dialtone_wire::bodies::IceServer;
use dialtone_wire::stomp::Version;
use dialtone_wire::{DisplayName, RoomId};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::conversation::{Conversation, ConversationError, Output};
use super::dial::{DialError, ServerUrl, Socket, dial};
use super::tap::{Traffic, is_heart_beat};
use crate::call::{FromServer, LossKind, Signal};
use crate::clock::{now, until};

/// Events and commands that may wait; a call has some dozens in all.
const QUEUE: usize = 512;
/// How long a write may take before the connection counts as lost.
const WRITE_PATIENCE: Duration = Duration::from_secs(10);
/// The first pause before dialling again; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How to reach the server and the room.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the server is.
    pub url: ServerUrl,
    /// Which room to join.
    pub room: RoomId,
    /// What to be called there.
    pub display_name: Option<DisplayName>,
    /// What TLS trusts; see [`tls_config`](super::tls_config).
    pub tls: Arc<rustls::ClientConfig>,
    /// How long to go on dialling after a loss.
    pub give_up: Duration,
    /// Set while media flows: then dialling never ends.
    pub in_call: Arc<AtomicBool>,
    /// What to send as `Origin` (RFC 6454), which browsers always do; `None` sends none.
    pub origin: Option<String>,
    /// Who is shown every frame in both directions. Nobody waits for it: what does not fit into its queue is left out.
    pub tap: Option<mpsc::Sender<Traffic>>,
}

/// What the signaling side reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// CONNECTED has come.
    Connected {
        /// The version of STOMP.
        version: Version,
        /// The server's name for itself, where it tells.
        server: Option<String>,
    },
    /// The server's STUN and TURN servers; comes before the session id.
    IceServers(Vec<IceServer>),
    /// For the call.
    Call(FromServer),
}

/// An open signaling connection that heals itself.
#[derive(Debug)]
pub struct Signaling {
    commands: mpsc::Sender<Command>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
enum Command {
    Send(Signal),
    NetworkChanged { gone: BTreeSet<IpAddr> },
    Leave,
}

impl Signaling {
    /// Dials once, then runs the conversation in a task of its own. Events come through the receiver; it ends after
    /// [`leave`](Self::leave), or after [`FromServer::GaveUp`].
    pub async fn open(options: Options) -> Result<(Self, mpsc::Receiver<Event>), DialError> {
        let socket = dial(&options.url, options.origin.as_deref(), &options.tls).await?;
        let (commands, command_queue) = mpsc::channel(QUEUE);
        let (events, event_queue) = mpsc::channel(QUEUE);
        let host = options.url.host().to_owned();
        let conversation = Conversation::new(host, options.room.clone(), options.display_name.clone());
        let driver = Driver {
            options,
            conversation,
            commands: command_queue,
            events,
            joined: false,
            ever_joined: false,
            pause: FIRST_PAUSE,
            give_up: None,
        };
        let task = tokio::spawn(driver.run(socket));
        Ok((Self { commands, task }, event_queue))
    }

    /// Sends a signal to the other member.
    pub async fn send(&self, signal: Signal) {
        // The task ends only after it has told why; there is nobody left to send to then.
        let _ = self.commands.send(Command::Send(signal)).await;
    }

    /// Says that the machine has other addresses than before: a connection from one that is gone is given up, which it
    /// would not notice by itself for a while, and where none is open the server is dialled at once.
    pub async fn network_changed(&self, gone: BTreeSet<IpAddr>) {
        let _ = self.commands.send(Command::NetworkChanged { gone }).await;
    }

    /// Leaves the room, ends the session, and waits until the server has it (about a second at most).
    pub async fn leave(self) {
        let _ = self.commands.send(Command::Leave).await;
        let abort = self.task.abort_handle();
        if timeout(Duration::from_secs(3), self.task).await.is_err() {
            abort.abort();
        }
    }
}

struct Driver {
    options: Options,
    conversation: Conversation,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<Event>,
    /// Whether the room was joined on this connection, and on any.
    joined: bool,
    ever_joined: bool,
    /// The next pause, and when patience is over; both start anew once the room is joined again.
    pause: Duration,
    give_up: Option<Instant>,
}

enum Outcome {
    /// Left in good order.
    Done,
    /// The connection is gone, for this reason.
    Lost(String),
    /// The server does not speak with us, for this reason.
    Broken(ConversationError),
}

impl Driver {
    async fn run(mut self, first: Socket) {
        let mut socket = first;
        loop {
            let outcome = self.converse(socket).await;
            let leaving = self.conversation.is_leaving();
            self.conversation.handle_closed();
            if std::mem::take(&mut self.joined) {
                (self.ever_joined, self.pause, self.give_up) = (true, FIRST_PAUSE, None);
            }
            let reason = match outcome {
                Outcome::Done => return,
                Outcome::Lost(_) | Outcome::Broken(_) if leaving => return,
                // It would say the same again.
                Outcome::Broken(error) if !self.ever_joined => {
                    return gave_up(&self.events, error.kind(), error.to_string()).await;
                }
                Outcome::Broken(error) => error.to_string(),
                Outcome::Lost(reason) => reason,
            };
            tracing::debug!(%reason, "signaling connection lost");
            if self.forward_events().await.is_err() {
                return;
            }
            socket = match self.dial_again().await {
                Some(socket) => socket,
                None => return gave_up(&self.events, LossKind::Lost, reason).await,
            };
        }
    }

    /// Runs the conversation over one connection.
    async fn converse(&mut self, mut socket: Socket) -> Outcome {
        self.conversation.handle_open(now());
        let local_ip = socket.get_ref().local_ip();
        loop {
            if let Some(outcome) = self.carry_out(&mut socket).await {
                let _ = timeout(WRITE_PATIENCE, socket.close(None)).await;
                return outcome;
            }
            let due = self.conversation.poll_timeout();
            tokio::select! {
                message = socket.next() => match message {
                    Some(Ok(Message::Text(text))) => self.bytes(text.into()),
                    Some(Ok(Message::Binary(bytes))) => self.bytes(bytes),
                    Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => self.bytes(Bytes::new()),
                    Some(Ok(Message::Close(frame))) => {
                        return Outcome::Lost(frame.map_or_else(
                            || "the server closed the connection".to_owned(),
                            |f| format!("the server closed the connection ({} {})", u16::from(f.code), f.reason),
                        ));
                    }
                    Some(Err(error)) => return Outcome::Lost(format!("the connection to the server broke ({error})")),
                    None => return Outcome::Lost("the server closed the connection".to_owned()),
                },
                command = self.commands.recv() => match command {
                    Some(Command::Send(signal)) => self.conversation.send(signal),
                    Some(Command::NetworkChanged { gone }) => {
                        if local_ip.is_some_and(|ip| gone.contains(&ip)) {
                            return Outcome::Lost("the address of this machine is gone".to_owned());
                        }
                    }
                    // A queue whose other end is gone means the same as a leave.
                    Some(Command::Leave) | None => self.conversation.leave(now()),
                },
                () = until(due) => self.conversation.handle_timeout(now()),
            }
        }
    }

    fn bytes(&mut self, bytes: Bytes) {
        self.tap(false, &bytes);
        self.conversation.handle_bytes(now(), bytes);
    }

    /// Shows frames to whoever wants to see them; heart-beats are none.
    fn tap(&self, sent: bool, text: &Bytes) {
        if let Some(tap) = self.options.tap.as_ref().filter(|_| !is_heart_beat(text)) {
            // Watching must not change what is watched: what does not fit is left out.
            let _ = tap.try_send(Traffic { at: now(), sent, text: text.clone() });
        }
    }

    /// Drains the brain into the socket and the event queue; an outcome ends the connection.
    async fn carry_out(&mut self, socket: &mut Socket) -> Option<Outcome> {
        let mut written = false;
        while let Some(output) = self.conversation.poll_output() {
            let event = match output {
                Output::Transmit(bytes) => {
                    written = true;
                    self.tap(true, &bytes);
                    let message = match Utf8Bytes::try_from(bytes) {
                        Ok(text) => Message::Text(text),
                        Err(_) => continue,
                    };
                    match timeout(WRITE_PATIENCE, socket.feed(message)).await {
                        Ok(Ok(())) => continue,
                        Ok(Err(error)) => {
                            return Some(Outcome::Lost(format!("the connection to the server broke ({error})")));
                        }
                        Err(_) => return Some(Outcome::Lost("the server takes nothing any more".to_owned())),
                    }
                }
                Output::Event(event) => {
                    self.joined |= matches!(event, FromServer::Me(_));
                    Event::Call(event)
                }
                Output::Connected { version, server } => Event::Connected { version, server },
                Output::IceServers(servers) => Event::IceServers(servers),
                Output::Done => return Some(Outcome::Done),
                Output::Broken(error) => return Some(Outcome::Broken(error)),
            };
            if self.events.send(event).await.is_err() {
                self.conversation.leave(now());
            }
        }
        if written && timeout(WRITE_PATIENCE, socket.flush()).await.is_err() {
            return Some(Outcome::Lost("the server takes nothing any more".to_owned()));
        }
        None
    }

    /// Tells the call what the brain says while there is no connection.
    async fn forward_events(&mut self) -> Result<(), mpsc::error::SendError<Event>> {
        while let Some(output) = self.conversation.poll_output() {
            if let Output::Event(event) = output {
                self.events.send(Event::Call(event)).await?;
            }
        }
        Ok(())
    }

    /// Whether patience is over. While media flows it never is: the call goes on without a server, and without one nobody
    /// could hear the other side leave.
    fn is_over(&self, give_up: Instant) -> bool {
        Instant::now() >= give_up && !self.options.in_call.load(Ordering::Relaxed)
    }

    /// Dials with growing pauses until the server is back, we are told to leave, or patience is over.
    async fn dial_again(&mut self) -> Option<Socket> {
        let patience = self.options.give_up;
        let give_up = *self.give_up.get_or_insert_with(|| Instant::now() + patience);
        loop {
            let wait = sleep(jittered(self.pause));
            tokio::pin!(wait);
            loop {
                tokio::select! {
                    () = &mut wait => break,
                    command = self.commands.recv() => match command {
                        Some(Command::Send(signal)) => self.conversation.send(signal),
                        // What did not work a moment ago may work now.
                        Some(Command::NetworkChanged { .. }) => {
                            self.pause = FIRST_PAUSE;
                            break;
                        }
                        Some(Command::Leave) | None => return None,
                    },
                }
            }
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            match dial(&self.options.url, self.options.origin.as_deref(), &self.options.tls).await {
                Ok(socket) if !self.is_over(give_up) => return Some(socket),
                Ok(_) => return None,
                Err(error) => tracing::debug!(%error, "dialling again failed"),
            }
            if self.is_over(give_up) {
                return None;
            }
        }
    }
}

/// The last word of a conversation; nobody is left to hear it where the call is over already.
async fn gave_up(events: &mpsc::Sender<Event>, why: LossKind, reason: String) {
    let _ = events.send(Event::Call(FromServer::GaveUp { why, reason })).await;
}

/// Between half and the whole of `pause`, so that clients of a restarted server do not come back all at once.
fn jittered(pause: Duration) -> Duration {
    let dice = RandomState::new().hash_one(0) % 1000;
    pause / 2 + pause / 2 * u32::try_from(dice).unwrap_or_default() / 1000
}
