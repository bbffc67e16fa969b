//! Server-sent events, as the HTML standard's event stream format has them.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

/// One server-sent event, as [`Message::sse`](crate::Message::sse) writes it: `data` that is not UTF-8 goes as base64. The
/// caller vouches that `event` has no line break.
#[must_use]
pub fn frame(id: Option<u64>, event: Option<&str>, data: &[u8]) -> Bytes {
    let mut out = String::with_capacity(data.len() + event.map_or(0, str::len) + 48);
    if let Some(id) = id {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "id: {id}");
    }
    if let Some(event) = event {
        let _ = writeln!(out, "event: {event}");
    }
    match std::str::from_utf8(data) {
        Ok(text) => lines(text, &mut out),
        Err(_) => {
            out.push_str("data: ");
            STANDARD.encode_string(data, &mut out);
            out.push('\n');
        }
    }
    out.push('\n');
    out.into()
}

/// The space after the colon is eaten by the client, so that one at the beginning of a line survives.
fn lines(text: &str, out: &mut String) {
    let mut rest = text;
    loop {
        out.push_str("data: ");
        let Some((line, end)) = rest.find(['\n', '\r']).and_then(|at| rest.split_at_checked(at)) else {
            out.push_str(rest);
            out.push('\n');
            return;
        };
        out.push_str(line);
        out.push('\n');
        rest = end.strip_prefix("\r\n").or_else(|| end.strip_prefix(['\n', '\r'])).unwrap_or("");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(data: &[u8]) -> String {
        String::from_utf8(frame(None, None, data).to_vec()).unwrap()
    }

    #[test]
    fn a_frame_has_what_the_message_has() {
        assert_eq!(&frame(Some(7), Some("paid"), b"{}")[..], b"id: 7\nevent: paid\ndata: {}\n\n");
        assert_eq!(written(b"x"), "data: x\n\n");
    }

    #[test]
    fn every_line_of_the_data_has_a_field() {
        assert_eq!(written(b"a\nb\r\nc\rd"), "data: a\ndata: b\ndata: c\ndata: d\n\n");
        assert_eq!(written(b""), "data: \n\n");
        assert_eq!(written(b"\n\r\n"), "data: \ndata: \ndata: \n\n");
        assert_eq!(written(b" a\n\nid: 1"), "data:  a\ndata: \ndata: id: 1\n\n");
    }

    #[test]
    fn bytes_that_are_no_text_are_base64() {
        assert_eq!(written(&[0xff, b'\n', 0xfe]), "data: /wr+\n\n");
    }
}
