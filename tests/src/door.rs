//! A TCP port where somebody answers.

use std::io::{ErrorKind, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

mod forward;

pub use forward::Forward;

/// How often somebody who only listens looks whether the door is being closed.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A free port of this machine where each connection is served by a thread of its own; all of them end with this.
#[derive(Debug)]
pub struct Door {
    address: SocketAddr,
    closing: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// A connection that came.
#[derive(Debug)]
pub struct Visit {
    /// Its place in the order of connections, from 0.
    pub number: usize,
    /// The connection itself; reading and writing block.
    pub stream: TcpStream,
    closing: Arc<AtomicBool>,
}

impl Door {
    /// Opens it. `serve` has to look at [`Visit::is_closing`] wherever it waits.
    pub fn open(serve: impl Fn(Visit) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let closing = Arc::new(AtomicBool::new(false));
        let closed = Arc::clone(&closing);
        let thread = thread::spawn(move || receive(&listener, &closed, Arc::new(serve)));
        Self { address, closing, thread: Some(thread) }
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Release);
        // Accepting has no limit of its own: a last visitor ends it.
        let woken = TcpStream::connect(self.address).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            // What broke in there has shown itself already.
            let _ = thread.join();
        }
    }
}

impl Visit {
    /// Whether it is time to go.
    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Reads the head of an HTTP request and leaves it aside; false when the visitor left before its end.
    pub fn hears_request(&mut self) -> bool {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            match self.read(&mut byte) {
                Some(1) => head.push(byte[0]),
                Some(_) | None => return false,
            }
        }
        true
    }

    /// Takes whatever comes and says nothing, until the visitor leaves or the door is closed.
    pub fn stays_silent(mut self) {
        while self.read(&mut [0; 1024]).is_some_and(|length| length > 0) {}
    }

    /// The next bytes; `None` when the connection broke or the door is closed.
    fn read(&mut self, buffer: &mut [u8]) -> Option<usize> {
        self.stream.set_read_timeout(Some(LOOK_EVERY)).ok()?;
        while !self.is_closing() {
            match self.stream.read(buffer) {
                Ok(length) => return Some(length),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return None,
            }
        }
        None
    }
}

fn receive<F: Fn(Visit) + Send + Sync + 'static>(listener: &TcpListener, closing: &Arc<AtomicBool>, serve: Arc<F>) {
    let mut visits = Vec::new();
    // Somebody who was gone before we looked is no visitor.
    for stream in listener.incoming().filter_map(Result::ok) {
        if closing.load(Ordering::Acquire) {
            break;
        }
        let visit = Visit { number: visits.len(), stream, closing: Arc::clone(closing) };
        let serve = Arc::clone(&serve);
        visits.push(thread::spawn(move || serve(visit)));
    }
    for visit in visits {
        // A panic in it was shown when it happened.
        let _ = visit.join();
    }
}
