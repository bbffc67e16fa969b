//! Bodies of posts and answers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::wire::{Frame, Malformed, write_json_string};

/// The most messages in one post; phoenix.js sends up to 100.
pub const LINES_MAX: usize = 1_000;

/// Reads the body of a post. `application/x-ndjson` has a message on each line: JSON as it is, anything else as base64 of a
/// binary one. Any other body is one message as text.
///
/// # Errors
/// [`Malformed`] if it is none of this, or has too many messages.
pub fn read_body(body: &[u8], ndjson: bool) -> Result<Vec<Frame>, Malformed> {
    if !ndjson {
        return Ok(vec![text(body)?]);
    }
    let lines = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    let mut frames = Vec::new();
    for line in lines {
        if frames.len() == LINES_MAX {
            return Err(Malformed("too many messages in one post"));
        }
        frames.push(match line.first() {
            Some(b'[' | b'{') => text(line)?,
            _ => {
                let bytes = STANDARD.decode(line).map_err(|_| Malformed("a line that is neither JSON nor base64"))?;
                Frame::Binary(bytes.into())
            }
        });
    }
    Ok(frames)
}

fn text(bytes: &[u8]) -> Result<Frame, Malformed> {
    let text = std::str::from_utf8(bytes).map_err(|_| Malformed("text that is not UTF-8"))?;
    Ok(Frame::Text(text.to_owned().into()))
}

/// The answer to a poll: messages are JSON strings, those that are bytes in base64.
#[must_use]
pub fn answer(status: u16, token: &str, frames: &[Frame]) -> String {
    let bytes: usize = frames.iter().map(|frame| frame.bytes().len()).sum();
    let mut out = String::with_capacity(64 + token.len() + bytes + bytes / 4);
    out.push_str("{\"status\":");
    out.push_str(&status.to_string());
    out.push_str(",\"token\":");
    write_json_string(token, &mut out);
    out.push_str(",\"messages\":[");
    for (at, frame) in frames.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        match frame {
            Frame::Text(bytes) => write_json_string(&String::from_utf8_lossy(bytes), &mut out),
            Frame::Binary(bytes) => write_json_string(&STANDARD.encode(bytes), &mut out),
        }
    }
    out.push_str("]}");
    out
}

/// Any other answer.
#[must_use]
pub fn status(status: u16) -> String {
    format!("{{\"status\":{status}}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn posts_are_lines_of_json_or_base64() {
        let read = read_body(b"[1]\r\n{\"a\":1}\n\n AAH/\n", true).unwrap();
        assert_eq!(
            read,
            [Frame::Text("[1]".into()), Frame::Text("{\"a\":1}".into()), Frame::Binary(vec![0, 1, 255].into())]
        );
        assert_eq!(read_body(b"[1]\n[2]", false).unwrap(), [Frame::Text("[1]\n[2]".into())]);
        assert_eq!(read_body(b"", true), Ok(vec![]));
        assert!(
            read_body(b"%%%", true).is_err()
                && read_body(b"[\"\xff\"]", true).is_err()
                && read_body(b"\xff", false).is_err()
        );
        assert!(read_body(&b"[]\n".repeat(LINES_MAX), true).is_ok());
        assert!(read_body(&b"[]\n".repeat(LINES_MAX + 1), true).is_err());
    }

    #[test]
    fn answers_carry_messages_as_strings() {
        let frames = [Frame::Text("[1,\"a\"]".into()), Frame::Binary(vec![0, 1, 255].into())];
        assert_eq!(answer(200, "T", &frames), r#"{"status":200,"token":"T","messages":["[1,\"a\"]","AAH/"]}"#);
        assert_eq!(answer(410, "T", &[]), r#"{"status":410,"token":"T","messages":[]}"#);
        assert_eq!(status(408), r#"{"status":408}"#);
    }
}
