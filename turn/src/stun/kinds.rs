//! What a message is about: its class, its method, and the id that ties an answer to its request.

/// The 96-bit transaction id (RFC 8489 section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TransactionId(pub [u8; 12]);

/// What kind of message it is (RFC 8489 section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Wants an answer.
    Request,
    /// Wants none.
    Indication,
    /// The request was carried out.
    Success,
    /// The request was refused; ERROR-CODE says why.
    Error,
}

impl Class {
    pub(super) fn from_type(kind: u16) -> Self {
        match kind & 0x0110 {
            0x0000 => Self::Request,
            0x0010 => Self::Indication,
            0x0100 => Self::Success,
            _ => Self::Error,
        }
    }

    fn bits(self) -> u16 {
        match self {
            Self::Request => 0x0000,
            Self::Indication => 0x0010,
            Self::Success => 0x0100,
            Self::Error => 0x0110,
        }
    }
}

/// The methods this relay speaks (RFC 8489 section 18.2, RFC 8656 section 17).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Which address do you see me at?
    Binding,
    /// Give me a relayed address.
    Allocate,
    /// Keep my allocation, or (LIFETIME 0) end it.
    Refresh,
    /// Client to relay: pass this to a peer.
    Send,
    /// Relay to client: this came from a peer.
    Data,
    /// Let these peers' addresses through.
    CreatePermission,
    /// Use a short channel number for this peer.
    ChannelBind,
}

impl Method {
    pub(super) fn from_bits(bits: u16) -> Option<Self> {
        Some(match bits {
            0x001 => Self::Binding,
            0x003 => Self::Allocate,
            0x004 => Self::Refresh,
            0x006 => Self::Send,
            0x007 => Self::Data,
            0x008 => Self::CreatePermission,
            0x009 => Self::ChannelBind,
            _ => return None,
        })
    }

    fn bits(self) -> u16 {
        match self {
            Self::Binding => 0x001,
            Self::Allocate => 0x003,
            Self::Refresh => 0x004,
            Self::Send => 0x006,
            Self::Data => 0x007,
            Self::CreatePermission => 0x008,
            Self::ChannelBind => 0x009,
        }
    }

    /// The 16-bit message type that this method and a class make together. All our methods fit the low 4 bits.
    #[must_use]
    pub fn with(self, class: Class) -> u16 {
        self.bits() | class.bits()
    }
}
