//! Frames of clients. What can be read is written again, and reads the same.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use skep_channels::{Frame, Version};

fuzz_target!(|data: &[u8]| {
    let bytes = Bytes::copy_from_slice(data);
    for version in [Version::V1, Version::V2] {
        _ = version.decode(&Frame::Binary(bytes.clone()));
        let Ok(read) = version.decode(&Frame::Text(bytes.clone())) else { continue };
        let Ok(pushed) = version.push(&read.join_ref, &read.topic, &read.event, &read.body) else { continue };
        // A server's push of version 1 says null for its ref, and so reads again in both.
        let again = version.decode(&pushed).expect("what the host writes can be read");
        assert_eq!((again.topic, again.event, again.body), (read.topic, read.event, read.body));
    }
});
