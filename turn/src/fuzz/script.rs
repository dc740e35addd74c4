//! Any bytes, read as the steps of a dialogue.

use crate::stun::Method;

/// What makes a dialogue of bytes.
#[derive(Debug)]
pub(super) struct Script<'a> {
    bytes: &'a [u8],
    /// Steps that may still come.
    left: usize,
}

/// Steps in the longest dialogue.
const LONGEST: usize = 200;
/// Bytes that a step takes, without raw ones.
pub(super) const STEP: usize = 6;
/// Raw datagrams are shorter, in bytes.
const LONGEST_RAW: u8 = 96;

impl<'a> Script<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, left: LONGEST }
    }
}

impl<'a> Iterator for Script<'a> {
    type Item = Step<'a>;

    fn next(&mut self) -> Option<Step<'a>> {
        self.left = self.left.checked_sub(1)?;
        let (head, rest) = self.bytes.split_first_chunk::<STEP>()?;
        let [kind, who, a, b, c, how] = *head;
        let kind = KINDS[usize::from(kind) % KINDS.len()];
        let length = if kind == Kind::Raw { usize::from(a % LONGEST_RAW).min(rest.len()) } else { 0 };
        let (raw, rest) = rest.split_at(length);
        self.bytes = rest;
        Some(Step {
            kind,
            client: usize::from(who & 0x07),
            claim: Claim::of((who >> 3) & 0x07),
            sha256: who & 0x40 != 0,
            fingerprint: who & 0x80 != 0,
            a,
            b,
            c,
            harm: Harm::of(how),
            raw,
        })
    }
}

/// One step; what `a`, `b` and `c` mean depends on its kind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step<'a> {
    pub(super) kind: Kind,
    /// Who does it.
    pub(super) client: usize,
    /// Who it says it is.
    pub(super) claim: Claim,
    /// Signed with the stronger of the two signatures.
    pub(super) sha256: bool,
    pub(super) fingerprint: bool,
    pub(super) a: u8,
    pub(super) b: u8,
    pub(super) c: u8,
    pub(super) harm: Harm,
    /// The bytes of a raw datagram.
    pub(super) raw: &'a [u8],
}

impl Step<'static> {
    /// A step of the simplest sort.
    pub(super) fn plain(kind: Kind, client: usize) -> Self {
        let (sha256, fingerprint) = (false, false);
        let (a, b, c) = (0, 0, 0);
        Self { kind, client, claim: Claim::Own, sha256, fingerprint, a, b, c, harm: Harm::None, raw: &[] }
    }
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A client asks for something.
    Request(Method),
    /// A client sends an indication.
    Send,
    /// A client sends on a channel.
    ChannelData,
    /// A client sends bytes of the script, behind a good header or not.
    Raw,
    /// A peer sends to a relay socket.
    Peer,
    Time,
    /// A client's connection ends.
    Gone,
    /// The relay starts or stops to drain.
    Drain,
    /// From now on the hands open sockets in another way.
    Mood,
    /// The hands come back to a socket.
    Settle,
    /// A packet from the other core arrives.
    Mail,
}

/// By the first byte of a step, as often as it shall come.
pub(super) static KINDS: [Kind; 32] = [
    Kind::Request(Method::Allocate),
    Kind::Request(Method::Allocate),
    Kind::Request(Method::Allocate),
    Kind::Request(Method::Allocate),
    Kind::Request(Method::Allocate),
    Kind::Request(Method::Allocate),
    Kind::Request(Method::Refresh),
    Kind::Request(Method::Refresh),
    Kind::Request(Method::CreatePermission),
    Kind::Request(Method::CreatePermission),
    Kind::Request(Method::CreatePermission),
    Kind::Request(Method::CreatePermission),
    Kind::Request(Method::ChannelBind),
    Kind::Request(Method::ChannelBind),
    Kind::Request(Method::ChannelBind),
    Kind::Request(Method::Binding),
    Kind::Send,
    Kind::Send,
    Kind::Send,
    Kind::ChannelData,
    Kind::ChannelData,
    Kind::ChannelData,
    Kind::Peer,
    Kind::Peer,
    Kind::Peer,
    Kind::Raw,
    Kind::Time,
    Kind::Gone,
    Kind::Drain,
    Kind::Mood,
    Kind::Settle,
    Kind::Mail,
];

/// Whose name and password a request is signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// The client's own.
    Own,
    /// Another user's, and right.
    Other,
    /// A user's name with a wrong password.
    WrongPassword,
    /// A name that nobody has.
    Nobody,
}

impl Claim {
    fn of(value: u8) -> Self {
        match value {
            5 => Self::Other,
            6 => Self::WrongPassword,
            7 => Self::Nobody,
            _ => Self::Own,
        }
    }
}

/// What is done to a datagram on its way, or to a request before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Harm {
    None,
    /// Bits of one byte are turned over.
    Flip,
    /// Its end is missing.
    Cut,
    /// Something follows it.
    Extend,
    /// It arrives twice.
    Twice,
    /// It carries the nonce of another client.
    ForeignNonce,
    /// It is not signed.
    Unsigned,
}

impl Harm {
    fn of(value: u8) -> Self {
        match value {
            0..=199 => Self::None,
            200..=211 => Self::Flip,
            212..=219 => Self::Cut,
            220..=227 => Self::Extend,
            228..=239 => Self::Twice,
            240..=247 => Self::ForeignNonce,
            248..=255 => Self::Unsigned,
        }
    }
}

impl Step<'_> {
    /// Damages a datagram on its way.
    pub(super) fn spoil(&self, bytes: &mut Vec<u8>) {
        let (b, c) = (self.b, usize::from(self.c));
        match self.harm {
            Harm::Flip => {
                let at = c % bytes.len().max(1);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= b | 1;
                }
            }
            Harm::Cut => bytes.truncate(bytes.len() * c / 256),
            Harm::Extend => bytes.resize(bytes.len() + 1 + c % 8, b),
            Harm::None | Harm::Twice | Harm::ForeignNonce | Harm::Unsigned => {}
        }
    }
}
