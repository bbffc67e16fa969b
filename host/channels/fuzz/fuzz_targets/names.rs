//! Names that guests and operators hand back. What can be read prints as a text that reads the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_channels::{ChannelId, ReplyRef, SocketId, Version};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    _ = Version::of(Some(text));
    if let Ok(id) = text.parse::<SocketId>() {
        assert_eq!(id.to_string().parse(), Ok(id));
    }
    if let Ok(id) = text.parse::<ChannelId>() {
        assert_eq!(id.to_string().parse(), Ok(id));
    }
    if let Ok(reply) = text.parse::<ReplyRef>() {
        assert_eq!(reply.to_string().parse(), Ok(reply));
    }
});
