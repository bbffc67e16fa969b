//! Messages to and from a server, one question at a time.
//!
//! The messages themselves are `postgres-protocol`'s. `tokio-postgres`, which is made of it, asks for results in binary form
//! only, so that it would be ours to know every type, and takes an answer of any length into memory.

use bytes::BytesMut;
use postgres_protocol::message::backend::{DataRowBody, Header, Message, RowDescriptionBody};
use postgres_protocol::{Oid, message::frontend};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::fault::{ServerError, Trouble};
use crate::error::Error;

/// What is not a row is never longer.
const OTHER_BYTES_MAX: usize = 1 << 20;

pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A connection's bytes.
pub(super) struct Wire {
    stream: Box<dyn Stream>,
    incoming: BytesMut,
    outgoing: BytesMut,
    /// The longest row.
    pub(super) row_bytes_max: usize,
    /// Somebody has asked and not heard all of the answer.
    asking: bool,
}

/// What came of a question, beside its rows.
#[derive(Default)]
pub(super) struct Answer {
    /// How each statement of the question ended, in their order.
    pub(super) ends: Vec<End>,
    pub(super) params: Vec<Oid>,
    pub(super) columns: Option<RowDescriptionBody>,
    /// How the connection is now: idle, in a transaction, in one that has failed.
    pub(super) status: u8,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// What the statement calls what it did: `INSERT 0 3`.
    Complete(String),
    /// There are more rows.
    Suspended,
}

pub(super) const IDLE: u8 = b'I';
pub(super) const IN_TRANSACTION: u8 = b'T';

impl Wire {
    pub(super) fn new(stream: Box<dyn Stream>) -> Self {
        Self {
            stream,
            incoming: BytesMut::new(),
            outgoing: BytesMut::new(),
            row_bytes_max: OTHER_BYTES_MAX,
            asking: false,
        }
    }

    /// Whether the next question would be heard as one.
    pub(super) fn is_clean(&self) -> bool {
        !self.asking
    }

    /// Whether the server has neither gone nor said anything that nobody asked for, as it does before it goes.
    pub(super) fn is_alive(&mut self) -> bool {
        use futures_util::FutureExt as _;
        self.is_clean() && self.incoming.is_empty() && self.stream.read_buf(&mut self.incoming).now_or_never().is_none()
    }

    /// What is written here is sent with the next question.
    pub(super) fn outgoing(&mut self) -> &mut BytesMut {
        &mut self.outgoing
    }

    pub(super) async fn send(&mut self) -> Result<(), Trouble> {
        self.asking = true;
        let sent = async {
            self.stream.write_all(&self.outgoing).await?;
            self.stream.flush().await
        };
        sent.await.map_err(|error| Trouble::Lost(error.to_string()))?;
        self.outgoing.clear();
        Ok(())
    }

    /// The next message that is an answer.
    pub(super) async fn receive(&mut self) -> Result<Message, Trouble> {
        let lost = |error: std::io::Error| Trouble::Lost(error.to_string());
        loop {
            if let Some(header) = Header::parse(&self.incoming).map_err(lost)? {
                let is_row = header.tag() == b'D';
                let most = if is_row { self.row_bytes_max.saturating_add(OTHER_BYTES_MAX) } else { OTHER_BYTES_MAX };
                if usize::try_from(header.len()).map_or(true, |length| length > most) {
                    let refused = || Trouble::Refused(Error::TooLarge(self.row_bytes_max as u64));
                    return Err(if is_row { refused() } else { Trouble::Lost("a message is too long".to_owned()) });
                }
            }
            match Message::parse(&mut self.incoming).map_err(lost)? {
                // Nobody listens to these.
                Some(Message::NoticeResponse(_) | Message::ParameterStatus(_) | Message::NotificationResponse(_)) => {}
                Some(message) => return Ok(message),
                None => {
                    if self.stream.read_buf(&mut self.incoming).await.map_err(lost)? == 0 {
                        return Err(Trouble::Lost("the server has closed the connection".to_owned()));
                    }
                }
            }
        }
    }

    /// Sends what is written, and hears the whole answer, or as much of it as `row` wants to hear, which is told whose row it
    /// is: the first statement's, 0, or the second's.
    pub(super) async fn ask(
        &mut self,
        mut row: impl FnMut(usize, &DataRowBody) -> Result<(), Error>,
    ) -> Result<Answer, Trouble> {
        self.send().await?;
        let mut answer = Answer::default();
        let mut failed: Option<Box<ServerError>> = None;
        loop {
            match self.receive().await? {
                Message::DataRow(body) => row(answer.ends.len(), &body).map_err(Trouble::Refused)?,
                Message::CommandComplete(body) => {
                    answer.ends.push(End::Complete(body.tag().unwrap_or_default().to_owned()));
                }
                Message::PortalSuspended => answer.ends.push(End::Suspended),
                Message::RowDescription(body) => answer.columns = Some(body),
                Message::ParameterDescription(body) => {
                    let mut params = body.parameters();
                    while let Some(param) =
                        fallible_next(&mut params).map_err(|error| Trouble::Lost(error.to_string()))?
                    {
                        answer.params.push(param);
                    }
                }
                Message::ErrorResponse(body) => {
                    let error = ServerError::read(&body);
                    if error.ends_connection() {
                        return Err(Trouble::Ended(error));
                    }
                    failed.get_or_insert(error);
                }
                Message::ReadyForQuery(body) => {
                    answer.status = body.status();
                    self.asking = false;
                    return match failed {
                        Some(error) => Err(Trouble::Server(error)),
                        None => Ok(answer),
                    };
                }
                Message::EmptyQueryResponse => {
                    let empty = Error::Invalid("there is no statement".to_owned());
                    failed.get_or_insert(ServerError::own(empty));
                }
                Message::CopyInResponse(_) | Message::CopyOutResponse(_) | Message::CopyData(_) => {
                    return Err(Trouble::Refused(Error::Denied("COPY is not carried out here".to_owned())));
                }
                _ => {}
            }
        }
    }

    /// Begins and ends transactions, and what else the host says by itself: text without anybody's data in it.
    pub(super) async fn say(&mut self, sql: &str) -> Result<Answer, Trouble> {
        frontend::query(sql, &mut self.outgoing).map_err(|error| Trouble::Lost(error.to_string()))?;
        self.ask(|_, _| Ok(())).await
    }

    /// The server has said that it waits for the first question.
    pub(super) fn answered(&mut self) {
        self.asking = false;
    }

    /// A farewell; nobody waits for the answer.
    pub(super) async fn leave(mut self) {
        frontend::terminate(&mut self.outgoing);
        _ = self.send().await;
        _ = self.stream.shutdown().await;
    }
}

pub(super) fn fallible_next<I: fallible_iterator::FallibleIterator>(
    iterator: &mut I,
) -> Result<Option<I::Item>, I::Error> {
    iterator.next()
}
