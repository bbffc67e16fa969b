//! The request's bytes, made once and written as they are.

use crate::run::{Error, Options};

/// The request as it goes over the wire.
///
/// # Errors
/// When the method or a header would break the request's framing.
pub(crate) fn bytes(options: &Options) -> Result<Vec<u8>, Error> {
    let method = options.method.as_str();
    if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return Err(Error::Method(method.to_owned()));
    }
    let host = options.host.as_deref().unwrap_or(&options.target.authority);
    let mut head = format!("{method} {} HTTP/1.1\r\nhost: {host}\r\n", options.target.path);
    // Methods that usually carry a body announce an empty one as well: RFC 9110, 8.6.
    if options.body_bytes > 0 || matches!(method, "POST" | "PUT" | "PATCH") {
        head.push_str(&format!("content-length: {}\r\n", options.body_bytes));
    }
    for header in options.headers.iter().map(String::as_str).chain([host]) {
        if header.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(Error::Header(header.to_owned()));
        }
    }
    for header in &options.headers {
        let (name, value) = header.split_once(':').ok_or_else(|| Error::Header(header.clone()))?;
        head.push_str(&format!("{}: {}\r\n", name.trim(), value.trim()));
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    bytes.resize(bytes.len() + options.body_bytes, b'x');
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        Options::new("http://127.0.0.1:80/p?q".parse().unwrap())
    }

    #[test]
    fn a_request_is_framed_and_complete() {
        assert_eq!(bytes(&options()).unwrap(), b"GET /p?q HTTP/1.1\r\nhost: 127.0.0.1:80\r\n\r\n");
        let post = Options {
            method: "POST".to_owned(),
            body_bytes: 3,
            host: Some("a.example".to_owned()),
            headers: vec!["x-a:1".to_owned()],
            ..options()
        };
        let expected = b"POST /p?q HTTP/1.1\r\nhost: a.example\r\ncontent-length: 3\r\nx-a: 1\r\n\r\nxxx";
        assert_eq!(bytes(&post).unwrap(), expected);
    }

    #[test]
    fn nothing_breaks_out_of_the_head() {
        let bad = |change: fn(&mut Options)| {
            let mut options = options();
            change(&mut options);
            bytes(&options).is_err()
        };
        assert!(bad(|options| options.method = "GET /x HTTP/1.1\r\n".to_owned()));
        assert!(bad(|options| options.method = String::new()));
        assert!(bad(|options| options.headers = vec!["a: b\r\nc: d".to_owned()]));
        assert!(bad(|options| options.headers = vec!["no colon".to_owned()]));
        assert!(bad(|options| options.host = Some("a\nb".to_owned())));
    }
}
