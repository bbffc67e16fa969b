use super::*;

/// Feeds the bytes in pieces of every size; all have to give the same.
#[track_caller]
fn check(method: &str, bytes: &[u8], expected: &[(u16, u64, bool)]) {
    let expected: Vec<_> =
        expected.iter().map(|&(status, body_bytes, keep_alive)| Response { status, body_bytes, keep_alive }).collect();
    for piece in 1..=bytes.len() {
        let (responses, rest) = parse(method, bytes, piece).unwrap();
        assert_eq!(responses, expected, "in pieces of {piece}");
        assert_eq!(rest, 0, "in pieces of {piece}");
    }
}

fn parse(method: &str, bytes: &[u8], piece: usize) -> Result<(Vec<Response>, usize), Malformed> {
    let mut parser = Parser::new(method);
    let (mut buffer, mut responses) = (Vec::new(), Vec::new());
    for piece in bytes.chunks(piece) {
        buffer.extend_from_slice(piece);
        loop {
            let (used, response) = parser.advance(&buffer)?;
            buffer.drain(..used);
            let Some(response) = response else { break };
            responses.push(response);
        }
    }
    responses.extend(parser.end());
    Ok((responses, buffer.len()))
}

#[track_caller]
fn refused(bytes: &[u8]) {
    assert_eq!(parse("GET", bytes, bytes.len()), Err(Malformed));
    assert_eq!(parse("GET", bytes, 1), Err(Malformed));
}

#[test]
fn a_length_ends_the_body() {
    check("GET", b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", &[(200, 5, true)]);
    check("GET", b"HTTP/1.1 500 \r\nContent-Length:  0 \r\n\r\n", &[(500, 0, true)]);
    check("GET", b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\nx", &[(200, 1, true)]);
}

#[test]
fn chunks_end_with_an_empty_one() {
    let bytes =
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nA;ext=1\r\n0123456789\r\n0\r\n\r\n";
    check("GET", bytes, &[(200, 15, true)]);
    check("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\nx-trailer: 1\r\n\r\n", &[(200, 0, true)]);
    check("GET", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n\r\n\r\n0\r\n\r\n", &[(200, 2, true)]);
}

#[test]
fn chunks_win_over_a_length() {
    let bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\ntransfer-encoding: gzip, chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n";
    check("GET", bytes, &[(200, 1, true)]);
}

#[test]
fn some_answers_have_no_body() {
    check("GET", b"HTTP/1.1 204 No Content\r\n\r\n", &[(204, 0, true)]);
    check("GET", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", &[(304, 0, true)]);
    check("HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", &[(200, 0, true)]);
}

#[test]
fn without_framing_the_connection_ends_the_body() {
    check("GET", b"HTTP/1.1 200 OK\r\n\r\nall of this", &[(200, 11, false)]);
}

#[test]
fn the_connection_header_and_the_version_say_what_comes_next() {
    check("GET", b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n", &[(200, 0, false)]);
    check("GET", b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", &[(200, 0, false)]);
    check("GET", b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n", &[(200, 0, true)]);
}

#[test]
fn interim_answers_are_passed_over() {
    check(
        "POST",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\nok",
        &[(201, 2, true)],
    );
}

#[test]
fn answers_follow_each_other() {
    let one = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let two = b"HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    check("GET", &[&one[..], &two[..], &one[..]].concat(), &[(200, 2, true), (404, 3, true), (200, 2, true)]);
}

#[test]
fn what_is_cut_off_is_no_answer() {
    for bytes in [
        &b""[..],
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n",
    ] {
        assert_eq!(parse("GET", bytes, bytes.len().max(1)).unwrap().0, []);
    }
}

#[test]
fn what_is_no_http_is_refused() {
    refused(b"SSH-2.0-OpenSSH\r\n\r\n");
    refused(b"HTTP/1.1 101 Switching Protocols\r\n\r\n");
    refused(b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n");
    refused(b"HTTP/1.1 200 OK\r\ncontent-length: +1\r\n\r\n");
    refused(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n");
    refused(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n");
    refused(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n");
    refused(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n+1\r\nx\r\n");
    refused(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n");
    refused(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nxyz\r\n");
    refused(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\nx\r\n");
}

#[test]
fn heads_and_lines_are_bounded() {
    let mut head = b"HTTP/1.1 200 OK\r\nx: ".to_vec();
    head.resize(HEAD_BYTES_MAX, b'a');
    assert_eq!(Parser::new("GET").advance(&head), Err(Malformed));
    let mut line = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;".to_vec();
    line.resize(line.len() + LINE_BYTES_MAX, b'a');
    assert_eq!(Parser::new("GET").advance(&line), Err(Malformed));
}
