//! Brain: two clients of one relay who send to each other.
//!
//! ```text
//! both   Allocate -> 401 -> signed Allocate -> CreatePermission for the other one's relayed address
//! left   Send, with a number, to the right one's relayed address, until it comes back
//! right  whatever comes, back to the left one's relayed address
//! both   Refresh to 0
//! ```

use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

use super::{
    Rehearsed,
    client::{Client, Pending, WAITS},
    data::{data_of, indication},
};
use crate::{
    probe::{
        dialogue::Ids,
        request::{Answer, Challenge, Login, Request},
    },
    rtc::Over,
};

/// Between two packets of data, and how many there are: the way behind the relay is UDP, whatever leads to it.
const DATA_EVERY: Duration = Duration::from_millis(200);
const MAX_DATA: usize = 15;

/// How long the answers that take the allocations back are waited for.
const FAREWELL: Duration = Duration::from_millis(500);

/// Before the number in a packet of data.
const MARK: &[u8; 8] = b"dialtone";

/// One of the two clients.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Side {
    Left,
    Right,
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }
}

/// Who asks.
#[derive(Clone)]
pub(super) struct Account {
    pub(super) username: String,
    /// Goes into a key and nowhere else.
    pub(super) credential: String,
}

/// See the module.
pub(super) struct Rehearsal {
    account: Account,
    /// Whether what carries the messages may lose them.
    loses: bool,
    end: Instant,
    ids: Ids,
    left: Client,
    right: Client,
    transmits: VecDeque<(Side, Vec<u8>)>,
    started: Instant,
    /// How long it took to get two allocations, and two permissions.
    allocation: Option<Duration>,
    permission: Option<Duration>,
    /// When each packet of data was sent.
    data: Vec<Instant>,
    data_due: Option<Instant>,
    /// What will be told once the allocations are given back, and when that is waited for no longer.
    verdict: Option<(Result<Rehearsed, String>, Instant)>,
    result: Option<Result<Rehearsed, String>>,
}

impl Rehearsal {
    /// Sends the first requests. Whatever has not come about at `end` is given up.
    pub(super) fn start(now: Instant, account: Account, over: Over, end: Instant, ids: Ids) -> Self {
        let mut rehearsal = Self {
            account,
            loses: over == Over::Udp,
            end,
            ids,
            left: Client::default(),
            right: Client::default(),
            transmits: VecDeque::new(),
            started: now,
            allocation: None,
            permission: None,
            data: Vec::new(),
            data_due: None,
            verdict: None,
            result: None,
        };
        for side in [Side::Left, Side::Right] {
            rehearsal.ask(now, side, Request::Allocate);
        }
        rehearsal
    }

    /// A message of the server.
    pub(super) fn received(&mut self, now: Instant, side: Side, message: &[u8]) {
        if let Some(data) = data_of(message) {
            return self.data_came(now, side, &data);
        }
        let client = self.client(side);
        let Some(pending) = &client.pending else { return };
        let login = client.login.as_ref().filter(|_| pending.signed);
        let (request, signed, renewed) = (pending.request, pending.signed, client.renewed);
        let Some(answer) = Answer::decode(message, request, pending.id, login) else { return };
        client.pending = None;
        match answer {
            Answer::Success { relayed, .. } => self.succeeded(now, side, request, relayed),
            Answer::Unsigned | Answer::Error { .. } if request == Request::Release => self.leave(),
            Answer::Unsigned => self.conclude(now, Err(format!("answered {} without a signature", request.name()))),
            Answer::Error { code: 401, challenge: Some(challenge), .. } if !signed => {
                self.log_in(now, side, challenge, request);
            }
            Answer::Error { code: 438, challenge: Some(Challenge { nonce, .. }), .. } if signed && !renewed => {
                let client = self.client(side);
                client.renewed = true;
                if let Some(login) = &mut client.login {
                    login.renew(nonce);
                }
                self.ask(now, side, request);
            }
            Answer::Error { code, reason, .. } => {
                let said = format!("answered {code} {reason}");
                self.conclude(now, Err(format!("{} to {}", said.trim_end(), request.name())));
            }
        }
    }

    /// A way to the server broke.
    pub(super) fn broken(&mut self, why: String) {
        let verdict = self.verdict.take().map(|(verdict, _)| verdict);
        self.result.get_or_insert_with(|| verdict.unwrap_or(Err(why)));
    }

    /// The next message to send; asked for until there is none, also after there is a result.
    pub(super) fn poll_transmit(&mut self) -> Option<(Side, Vec<u8>)> {
        self.transmits.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is wanted.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        if self.result.is_some() {
            return None;
        }
        if let Some((_, due)) = &self.verdict {
            return Some(*due);
        }
        let pending = [&self.left, &self.right].into_iter().filter_map(|client| Some(client.pending.as_ref()?.due));
        pending.chain(self.data_due).chain([self.end]).min()
    }

    /// Time has passed.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if let Some((verdict, due)) = &self.verdict {
            if now >= *due {
                self.result = Some(verdict.clone());
            }
            return;
        }
        if now >= self.end {
            return self.give_up(now);
        }
        for side in [Side::Left, Side::Right] {
            self.repeat(now, side);
        }
        if self.data_due.is_some_and(|due| now >= due) {
            self.send_data(now);
        }
    }

    /// What came of it, once it is over.
    pub(super) fn result(&self) -> Option<&Result<Rehearsed, String>> {
        self.result.as_ref()
    }

    fn client(&mut self, side: Side) -> &mut Client {
        match side {
            Side::Left => &mut self.left,
            Side::Right => &mut self.right,
        }
    }

    fn ask(&mut self, now: Instant, side: Side, request: Request) {
        let id = (self.ids)();
        let due = if self.loses { now + WAITS[0] } else { self.end };
        let client = self.client(side);
        let signed = client.login.is_some();
        match request.encode(id, client.login.as_ref()) {
            Ok(bytes) => {
                client.pending = Some(Pending { request, id, signed, bytes: bytes.clone(), sent: 1, due });
                self.transmits.push_back((side, bytes));
            }
            Err(error) => self.broken(format!("was not asked, because the request cannot be written: {error}")),
        }
    }

    fn repeat(&mut self, now: Instant, side: Side) {
        let client = self.client(side);
        let Some(pending) = client.pending.as_mut().filter(|pending| now >= pending.due) else { return };
        match WAITS.get(pending.sent) {
            Some(wait) => {
                pending.sent += 1;
                pending.due = now + *wait;
                let bytes = pending.bytes.clone();
                self.transmits.push_back((side, bytes));
            }
            None => self.give_up(now),
        }
    }

    fn log_in(&mut self, now: Instant, side: Side, challenge: Challenge, request: Request) {
        match Login::new(&self.account.username, &self.account.credential, challenge) {
            Ok(login) => {
                self.client(side).login = Some(login);
                self.ask(now, side, request);
            }
            Err(error) => self.broken(format!("asked for a login, and the key for it cannot be made: {error}")),
        }
    }

    fn succeeded(&mut self, now: Instant, side: Side, request: Request, relayed: Option<SocketAddr>) {
        match request {
            Request::Allocate => {
                self.client(side).relayed = relayed;
                if relayed.is_none() {
                    return self.conclude(now, Err("answered Allocate without an address".to_owned()));
                }
                let (Some(left), Some(right)) = (self.left.relayed, self.right.relayed) else { return };
                self.allocation = Some(now.saturating_duration_since(self.started));
                self.ask(now, Side::Left, Request::CreatePermission(right));
                self.ask(now, Side::Right, Request::CreatePermission(left));
            }
            Request::CreatePermission(_) => {
                self.client(side).permitted = true;
                if self.left.permitted && self.right.permitted {
                    self.permission = Some(now.saturating_duration_since(self.started));
                    self.send_data(now);
                }
            }
            Request::Release => self.leave(),
            Request::Binding => {}
        }
    }

    fn send_data(&mut self, now: Instant) {
        if self.data.len() >= MAX_DATA {
            return self.give_up(now);
        }
        let number = u32::try_from(self.data.len()).unwrap_or_default();
        self.data.push(now);
        self.data_due = Some(now + DATA_EVERY);
        self.send(Side::Left, &[&MARK[..], &number.to_be_bytes()].concat());
    }

    /// Sends data to the other one's relayed address.
    fn send(&mut self, side: Side, data: &[u8]) {
        let Some(to) = self.client(side.other()).relayed else { return };
        match indication((self.ids)(), to, data) {
            Ok(bytes) => self.transmits.push_back((side, bytes)),
            Err(error) => self.broken(format!("was not sent data, because it cannot be written: {error}")),
        }
    }

    fn data_came(&mut self, now: Instant, side: Side, data: &[u8]) {
        let Some((mark, number)) = data.split_first_chunk::<8>() else { return };
        let Ok(number) = <[u8; 4]>::try_from(number) else { return };
        if mark != MARK || self.verdict.is_some() {
            return;
        }
        if side == Side::Right {
            return self.send(Side::Right, data);
        }
        let sent = usize::try_from(u32::from_be_bytes(number)).ok().and_then(|number| self.data.get(number));
        let (Some(sent), Some(allocation), Some(permission)) = (sent, self.allocation, self.permission) else { return };
        let round_trip = now.saturating_duration_since(*sent);
        self.conclude(now, Ok(Rehearsed { allocation, permission, round_trip }));
    }

    /// Nothing more will come.
    fn give_up(&mut self, now: Instant) {
        let waiting = [&self.left, &self.right].into_iter().find_map(|client| client.pending.as_ref());
        let why = match waiting {
            Some(pending) => format!("did not answer {}, sent {} times", pending.request.name(), pending.sent),
            None => format!("let none of {} packets of data through", self.data.len()),
        };
        self.conclude(now, Err(why));
    }

    /// Knows what to tell, and tells it once the allocations are given back.
    fn conclude(&mut self, now: Instant, verdict: Result<Rehearsed, String>) {
        if self.verdict.is_some() || self.result.is_some() {
            return;
        }
        self.data_due = None;
        self.verdict = Some((verdict, now + FAREWELL));
        for side in [Side::Left, Side::Right] {
            let client = self.client(side);
            client.pending = None;
            if client.relayed.is_some() {
                self.ask(now, side, Request::Release);
            }
        }
        self.leave();
    }

    /// Once nothing is left to give back, the verdict is the result.
    fn leave(&mut self) {
        let is_open = self.left.pending.is_some() || self.right.pending.is_some();
        if let Some((verdict, _)) = self.verdict.as_ref().filter(|_| !is_open) {
            self.result = Some(verdict.clone());
        }
    }
}

#[cfg(test)]
mod tests;
