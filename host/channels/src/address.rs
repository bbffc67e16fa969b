//! How sockets, channels and messages that wait for a reply are named outside of the engine.

use std::fmt;
use std::str::FromStr;

use skep_types::PluginName;

use crate::wire::Ref;

/// Names a socket of this node. It prints as 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SocketId(pub(crate) u64);

/// Names a channel for as long as it is joined; a rejoin has another. It prints as `socket-number`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelId {
    pub(crate) socket: SocketId,
    pub(crate) serial: u32,
}

/// How a message can be answered later. It prints as `channel.ref`.
#[derive(Clone, PartialEq, Eq)]
pub struct ReplyRef {
    pub(crate) channel: ChannelId,
    pub(crate) reference: Ref,
}

/// A text that names nothing of the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such name")]
pub struct InvalidAddress;

impl ChannelId {
    /// What a plugin knows it by, and the owner of its presences: `plugin/socket-number`.
    #[must_use]
    pub fn of(self, owner: &PluginName) -> String {
        format!("{owner}/{self}")
    }

    /// Reads what [`Self::of`] writes, if it is of this plugin.
    ///
    /// # Errors
    /// [`InvalidAddress`] for every other text.
    pub fn read(text: &str, owner: &PluginName) -> Result<Self, InvalidAddress> {
        without(text, owner)?.parse()
    }

    /// The socket that it is a channel of.
    #[must_use]
    pub fn socket(self) -> SocketId {
        self.socket
    }
}

/// A text that begins with the plugin's name, without it.
fn without<'a>(text: &'a str, owner: &PluginName) -> Result<&'a str, InvalidAddress> {
    text.strip_prefix(owner.as_str()).and_then(|rest| rest.strip_prefix('/')).ok_or(InvalidAddress)
}

impl ReplyRef {
    /// What a plugin knows it by: `plugin/channel.ref`. None if the client gave the message no ref, and so waits for nothing.
    #[must_use]
    pub fn of(&self, owner: &PluginName) -> Option<String> {
        (!self.reference.is_null()).then(|| format!("{owner}/{self}"))
    }

    /// Reads what [`Self::of`] writes, if it is of this plugin.
    ///
    /// # Errors
    /// [`InvalidAddress`] for every other text.
    pub fn read(text: &str, owner: &PluginName) -> Result<Self, InvalidAddress> {
        without(text, owner)?.parse()
    }

    /// The channel that the message came from.
    #[must_use]
    pub fn channel(&self) -> ChannelId {
        self.channel
    }
}

impl fmt::Display for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for SocketId {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let digits = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let number = u64::from_str_radix(text, 16).ok().filter(|_| digits);
        number.map(Self).ok_or(InvalidAddress)
    }
}

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.socket, self.serial)
    }
}

impl FromStr for ChannelId {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let (socket, serial) = text.split_once('-').ok_or(InvalidAddress)?;
        if serial.is_empty() || !serial.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(InvalidAddress);
        }
        Ok(Self { socket: socket.parse()?, serial: serial.parse().map_err(|_| InvalidAddress)? })
    }
}

impl fmt::Display for ReplyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.channel, self.reference)
    }
}

impl FromStr for ReplyRef {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let (channel, reference) = text.split_once('.').ok_or(InvalidAddress)?;
        Ok(Self { channel: channel.parse()?, reference: reference.parse().map_err(|_| InvalidAddress)? })
    }
}

macro_rules! debug_as_display {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )*};
}

debug_as_display!(SocketId, ChannelId, ReplyRef);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_printed() {
        let channel = ChannelId { socket: SocketId(0xab), serial: 7 };
        assert_eq!(channel.to_string(), "00000000000000ab-7");
        assert_eq!(channel.to_string().parse(), Ok(channel));
        for reference in ["null", "7", "\"1.5\"", "\"a\\\"b\""] {
            let reply = ReplyRef { channel, reference: reference.parse().unwrap() };
            assert_eq!(reply.to_string().parse(), Ok(reply), "{reference}");
        }
        for bad in
            ["", "-", "ab-7", "00000000000000ab", "00000000000000ab-", "00000000000000ab-+7", "00000000000000AB-7"]
        {
            assert!(bad.parse::<ChannelId>().is_err(), "{bad}");
        }
        for bad in ["00000000000000ab-7", "00000000000000ab-7.", "00000000000000ab-7.x", "x.1"] {
            assert!(bad.parse::<ReplyRef>().is_err(), "{bad}");
        }
    }
}
