//! Bodies of posts to longpoll sessions.

#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_channels::Version;
use skep_channels::longpoll::{answer, read_body};

fuzz_target!(|data: &[u8]| {
    for ndjson in [false, true] {
        let Ok(frames) = read_body(data, ndjson) else { continue };
        for frame in &frames {
            _ = Version::V2.decode(frame);
        }
        // The answer is a string that can be read whatever is in it.
        assert!(answer(200, "token", &frames).ends_with("]}"));
    }
});
