//! One keep-alive connection at work.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::pace::{Pace, now};
use crate::parser::{Parser, Response};
use crate::report::{Problem, Tally};

/// Room for an answer; it grows only for a head that needs more, which the parser bounds.
const BUFFER_BYTES: usize = 32 << 10;
/// After a failed connect, so that a server that is down is not hammered.
const RECONNECT_AFTER: Duration = Duration::from_millis(10);

/// What the connections of one thread share.
pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    pub(crate) request: Vec<u8>,
    pub(crate) method: String,
    /// What completes before this is warming up and not counted.
    pub(crate) measure_from: Instant,
    pub(crate) until: Instant,
    // Nothing awaits while it is borrowed.
    pub(crate) tally: RefCell<Tally>,
}

/// Sends requests until the time is over.
pub(crate) async fn work(plan: Rc<Plan>, mut pace: Pace) {
    let mut connection = None;
    while let Some(due) = pace.next(plan.until).await {
        plan.tally.borrow_mut().sent(due.late);
        let outcome = exchange(&plan, &mut connection).await;
        let end = now();
        if end >= plan.measure_from {
            plan.tally.borrow_mut().done(outcome, end.saturating_duration_since(due.from), end <= plan.until);
        } else {
            plan.tally.borrow_mut().warmed_up();
        }
        if outcome == Err(Problem::Connect) {
            tokio::time::sleep(RECONNECT_AFTER).await;
        }
    }
    plan.tally.borrow_mut().missed += pace.missed(plan.until);
}

/// One request and its answer. The connection is made where there is none, and given up where it cannot go on.
async fn exchange(plan: &Plan, connection: &mut Option<Connection>) -> Result<Response, Problem> {
    let mut live = match connection.take() {
        Some(live) => live,
        None => Connection::open(plan).await?,
    };
    let response = live.exchange(&plan.request).await?;
    if response.keep_alive {
        *connection = Some(live);
    }
    Ok(response)
}

struct Connection {
    stream: TcpStream,
    parser: Parser,
    buffer: Vec<u8>,
    /// What was read and not parsed yet.
    start: usize,
    end: usize,
}

impl Connection {
    async fn open(plan: &Plan) -> Result<Self, Problem> {
        let stream = TcpStream::connect(plan.address).await.map_err(|_| Problem::Connect)?;
        // Without this the kernel may hold a request's last segment back.
        stream.set_nodelay(true).map_err(|_| Problem::Connect)?;
        let parser = Parser::new(&plan.method);
        Ok(Self { stream, parser, buffer: vec![0; BUFFER_BYTES], start: 0, end: 0 })
    }

    async fn exchange(&mut self, request: &[u8]) -> Result<Response, Problem> {
        // A server may answer and close before it has read a whole body: its answer counts, so a failed write is not
        // the end.
        let written = self.stream.write_all(request).await;
        let mut answered = false;
        loop {
            let unread = self.buffer.get(self.start..self.end).unwrap_or_default();
            let (used, response) = self.parser.advance(unread).map_err(|_| Problem::Malformed)?;
            self.start += used;
            if let Some(response) = response {
                let keep_alive = response.keep_alive && written.is_ok();
                return Ok(Response { keep_alive, ..response });
            }
            self.make_room();
            let room = self.buffer.get_mut(self.end..).unwrap_or_default();
            match self.stream.read(room).await {
                Ok(0) => return self.parser.end().ok_or(Problem::ended(answered)),
                Ok(bytes) => self.end += bytes,
                Err(_) => return Err(Problem::ended(answered)),
            }
            answered = true;
        }
    }

    fn make_room(&mut self) {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            if self.end == self.buffer.len() {
                self.buffer.resize(self.buffer.len() * 2, 0);
            }
        }
    }
}
