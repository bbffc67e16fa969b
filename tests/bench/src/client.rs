//! The least HTTP/1.1 client that can see an answer break off: one connection, one request at a time.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// Longer than any limit of the servers that are measured.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Nothing that is measured answers more.
const BODY_BYTES_MAX: u64 = 16 << 20;

/// A client of one server.
pub(crate) struct Client {
    address: String,
    open: Option<BufReader<TcpStream>>,
}

/// An answer.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// Whether the body came to its end.
    pub(crate) whole: bool,
}

/// What a head says of the bytes behind it.
struct Head {
    status: u16,
    length: Option<u64>,
    closes: bool,
}

impl Client {
    pub(crate) fn new(address: &str) -> Self {
        Self { address: address.to_owned(), open: None }
    }

    /// Sends a GET and reads the answer.
    pub(crate) fn get(&mut self, host: &str, path: &str) -> io::Result<Reply> {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes())
    }

    /// Sends a whole request and reads the answer. A kept connection that turns out to be closed is opened anew, once.
    pub(crate) fn send(&mut self, request: &[u8]) -> io::Result<Reply> {
        if let Some(open) = self.open.take()
            && let Ok(reply) = self.exchange(open, request)
        {
            return Ok(reply);
        }
        let stream = self.connect()?;
        self.exchange(BufReader::new(stream), request)
    }

    /// Sends a request and hangs up at once.
    pub(crate) fn abandon(&self, host: &str, path: &str) -> io::Result<()> {
        self.connect()?.write_all(format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes())
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(&self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        Ok(stream)
    }

    fn exchange(&mut self, mut stream: BufReader<TcpStream>, request: &[u8]) -> io::Result<Reply> {
        stream.get_mut().write_all(request)?;
        let head = head(&mut stream)?;
        let mut body = Vec::new();
        let whole = match head.length {
            Some(length) => stream.by_ref().take(length).read_to_end(&mut body).is_ok_and(|read| read as u64 == length),
            None => chunks(&mut stream, &mut body).is_ok(),
        };
        if whole && !head.closes {
            self.open = Some(stream);
        }
        Ok(Reply { status: head.status, body, whole })
    }
}

fn head(stream: &mut BufReader<TcpStream>) -> io::Result<Head> {
    let first = line(stream)?;
    let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
    let mut head = Head { status: status.ok_or_else(|| odd(&first))?, length: Some(0), closes: false };
    loop {
        let field = line(stream)?.to_ascii_lowercase();
        match field.split_once(':').map(|(name, value)| (name, value.trim())) {
            _ if field.is_empty() => return Ok(head),
            Some(("content-length", value)) => head.length = Some(value.parse().map_err(|_| odd(&field))?),
            Some(("transfer-encoding", "chunked")) => head.length = None,
            Some(("connection", "close")) => head.closes = true,
            _ => {}
        }
        if head.length.is_some_and(|length| length > BODY_BYTES_MAX) {
            return Err(odd("more than any answer here has"));
        }
    }
}

fn chunks(stream: &mut BufReader<TcpStream>, body: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let size = line(stream)?;
        let size = u64::from_str_radix(&size, 16).map_err(|_| odd(&size))?;
        if body.len() as u64 + size > BODY_BYTES_MAX {
            return Err(odd("more than any answer here has"));
        }
        if stream.by_ref().take(size).read_to_end(body)? as u64 != size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        line(stream)?;
        if size == 0 {
            return Ok(());
        }
    }
}

fn line(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    match line.strip_suffix("\r\n") {
        Some(line) => Ok(line.to_owned()),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn odd(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("an odd answer: {what}"))
}
