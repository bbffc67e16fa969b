//! Where an answer ends, and what its status is. Nothing else of it is kept.

/// Header fields of an answer; more are malformed.
const HEADERS_MAX: usize = 100;
/// Bytes of an answer's head; a longer one is malformed.
const HEAD_BYTES_MAX: usize = 256 << 10;
/// Bytes of a chunk's size line or of a trailer line.
const LINE_BYTES_MAX: usize = 8 << 10;

/// An answer that is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Bytes of its body, without framing.
    pub body_bytes: u64,
    /// Whether the connection may carry another request.
    pub keep_alive: bool,
}

/// Bytes that are no HTTP/1 answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer is not valid HTTP/1")]
pub struct Malformed;

/// A parser of the answers on one connection.
#[derive(Debug)]
pub struct Parser {
    state: State,
    response: Response,
    /// Whether the requests are HEAD, whose answers have no body whatever they announce.
    head_only: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    /// So many bytes of the body are still to come.
    Length(u64),
    /// The body ends with the connection.
    UntilClose,
    ChunkSize,
    /// So many bytes of the chunk are still to come, the line end behind them included.
    Chunk(u64),
    Trailers,
}

const NOTHING: Response = Response { status: 0, body_bytes: 0, keep_alive: true };

impl Parser {
    /// A parser for answers to requests of a method.
    #[must_use]
    pub fn new(method: &str) -> Self {
        Self { state: State::Head, response: NOTHING, head_only: method == "HEAD" }
    }

    /// Takes bytes: says how many it used, and the answer if they complete it. What it did not use has to stand at the
    /// front the next time, with more behind it. Bytes behind a complete answer are not touched.
    ///
    /// # Errors
    /// When the bytes are no HTTP/1 answer. The connection is of no more use then.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<(usize, Option<Response>), Malformed> {
        let mut used = 0;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            let before = self.state;
            let (step, complete) = match self.state {
                State::Head => self.head(rest)?,
                State::Length(left) => self.length(left, rest),
                State::UntilClose => {
                    self.response.body_bytes += rest.len() as u64;
                    (rest.len(), false)
                }
                State::ChunkSize => self.chunk_size(rest)?,
                State::Chunk(left) => self.chunk(left, rest)?,
                State::Trailers => self.trailers(rest)?,
            };
            used += step;
            if complete {
                self.state = State::Head;
                return Ok((used, Some(std::mem::replace(&mut self.response, NOTHING))));
            }
            if step == 0 && self.state == before {
                return Ok((used, None));
            }
        }
    }

    /// The connection has ended: the answer that this completes, if it was one that ends so.
    pub fn end(&mut self) -> Option<Response> {
        let complete = self.state == State::UntilClose;
        self.state = State::Head;
        let response = std::mem::replace(&mut self.response, NOTHING);
        complete.then_some(Response { keep_alive: false, ..response })
    }

    fn head(&mut self, bytes: &[u8]) -> Result<(usize, bool), Malformed> {
        let mut fields = [const { std::mem::MaybeUninit::uninit() }; HEADERS_MAX];
        let mut head = httparse::Response::new(&mut []);
        let config = httparse::ParserConfig::default();
        let length = match config.parse_response_with_uninit_headers(&mut head, bytes, &mut fields) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) if bytes.len() < HEAD_BYTES_MAX => return Ok((0, false)),
            _ => return Err(Malformed),
        };
        let status = head.code.ok_or(Malformed)?;
        // 100 Continue and its kin announce the real answer; 101 would end HTTP, and nobody asked for it.
        if status == 101 {
            return Err(Malformed);
        }
        if (100..200).contains(&status) {
            return Ok((length, false));
        }
        let (mut content_length, mut chunked) = (None, false);
        let mut keep_alive = head.version == Some(1);
        for field in head.headers.iter() {
            if field.name.eq_ignore_ascii_case("content-length") {
                let announced = decimal(field.value).ok_or(Malformed)?;
                if content_length.is_some_and(|other| other != announced) {
                    return Err(Malformed);
                }
                content_length = Some(announced);
            } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
                chunked = has_token(field.value, b"chunked");
            } else if field.name.eq_ignore_ascii_case("connection") {
                keep_alive = !has_token(field.value, b"close") && (keep_alive || has_token(field.value, b"keep-alive"));
            }
        }
        self.response = Response { status, body_bytes: 0, keep_alive };
        let bodiless = self.head_only || status == 204 || status == 304;
        self.state = match content_length {
            _ if bodiless => State::Length(0),
            _ if chunked => State::ChunkSize,
            Some(bytes) => State::Length(bytes),
            None => State::UntilClose,
        };
        Ok((length, self.state == State::Length(0)))
    }

    fn length(&mut self, left: u64, bytes: &[u8]) -> (usize, bool) {
        let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        self.response.body_bytes += taken as u64;
        let left = left - taken as u64;
        self.state = State::Length(left);
        (taken, left == 0)
    }

    fn chunk_size(&mut self, bytes: &[u8]) -> Result<(usize, bool), Malformed> {
        let Some((line, length)) = line(bytes)? else { return Ok((0, false)) };
        let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let size = hexadecimal(digits).ok_or(Malformed)?;
        self.response.body_bytes += size;
        self.state = if size == 0 { State::Trailers } else { State::Chunk(size + 2) };
        Ok((length, false))
    }

    fn chunk(&mut self, left: u64, bytes: &[u8]) -> Result<(usize, bool), Malformed> {
        let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        // The last two bytes of `left` are the line end.
        for (at, byte) in
            bytes.iter().enumerate().take(taken).skip(usize::try_from(left - 2.min(left)).unwrap_or(usize::MAX))
        {
            let expected = if at as u64 + 1 == left { b'\n' } else { b'\r' };
            if *byte != expected {
                return Err(Malformed);
            }
        }
        let left = left - taken as u64;
        self.state = if left == 0 { State::ChunkSize } else { State::Chunk(left) };
        Ok((taken, false))
    }

    fn trailers(&mut self, bytes: &[u8]) -> Result<(usize, bool), Malformed> {
        Ok(line(bytes)?.map_or((0, false), |(line, length)| (length, line.is_empty())))
    }
}

/// The first line without its end, and its length with it; `None` when it is not complete.
fn line(bytes: &[u8]) -> Result<Option<(&[u8], usize)>, Malformed> {
    match bytes.iter().take(LINE_BYTES_MAX).position(|byte| *byte == b'\n') {
        Some(at) => {
            let line = bytes.get(..at).and_then(|line| line.strip_suffix(b"\r")).ok_or(Malformed)?;
            Ok(Some((line, at + 1)))
        }
        None if bytes.len() >= LINE_BYTES_MAX => Err(Malformed),
        None => Ok(None),
    }
}

fn decimal(digits: &[u8]) -> Option<u64> {
    let digits = digits.trim_ascii();
    // `parse` would take a sign.
    digits.first().filter(|byte| byte.is_ascii_digit())?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn hexadecimal(digits: &[u8]) -> Option<u64> {
    digits.first().filter(|byte| byte.is_ascii_hexdigit())?;
    // A chunk that leaves no room for its line end is none.
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok().filter(|size| *size < u64::MAX - 2)
}

fn has_token(value: &[u8], token: &[u8]) -> bool {
    value.split(|byte| *byte == b',').any(|part| part.trim_ascii().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests;
