//! A connection, and batches on it.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use foldhash::HashMap;
use parking_lot::Mutex;
use tokio::task::AbortHandle;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{AsyncMessage, Client, Row, Statement};

use super::batch::{Answers, Batch, Param, Sql, get};
use super::fault::{Fault, describe};
use super::open::Target;

/// What a batch is of its transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// A transaction that only reads: all of one moment.
    Look,
    /// A transaction that writes, in one go.
    Whole,
    /// It begins.
    First,
    /// It goes on.
    Middle,
    /// It commits.
    Last,
}

impl Part {
    const fn begins(self) -> bool {
        matches!(self, Self::Look | Self::Whole | Self::First)
    }

    const fn ends(self) -> bool {
        matches!(self, Self::Look | Self::Whole | Self::Last)
    }
}

/// A connection. When it is dropped, it is closed, whatever the server says.
pub(super) struct Session {
    client: Client,
    target: Arc<Target>,
    /// Statements that the server has parsed, by where their text is. None with a pooler.
    prepared: Mutex<HashMap<usize, Statement>>,
    task: AbortHandle,
}

/// Whoever is told what the server notifies: the text that came along.
pub(super) type Bell = Box<dyn Fn(&str) + Send>;

type Asking<'a, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;
type Answering<'a> = Asking<'a, Vec<Row>, tokio_postgres::Error>;

impl Session {
    /// Connects. What the server notifies rings the bell.
    pub(super) async fn connect(target: &Arc<Target>, bell: Option<Bell>) -> Result<Self, Fault> {
        let session = Self::bare(target, bell).await?;
        if !target.options.pooled {
            session.settle().await?;
        }
        Ok(session)
    }

    /// Connects, and says nothing yet.
    pub(super) async fn bare(target: &Arc<Target>, bell: Option<Bell>) -> Result<Self, Fault> {
        let connected = tokio::time::timeout(target.options.connect_timeout, target.config.connect(target.tls.clone()));
        let (client, mut connection) = match connected.await {
            Ok(Ok(connected)) => connected,
            Ok(Err(error)) => return Err(Fault::Gone(describe(&error))),
            Err(_) => return Err(Fault::Gone("the server does not answer".to_owned())),
        };
        let task = tokio::spawn(async move {
            while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
                if let (AsyncMessage::Notification(told), Some(bell)) = (message, &bell) {
                    bell(told.payload());
                }
            }
        });
        Ok(Self { client, target: Arc::clone(target), prepared: Mutex::default(), task: task.abort_handle() })
    }

    /// Says what a connection says once.
    pub(super) async fn settle(&self) -> Result<(), Fault> {
        self.say(&self.target.settings).await
    }

    /// The server's process that answers at this moment.
    pub(super) async fn backend(&self) -> Result<i32, Fault> {
        let asked = self.client.query_typed("SELECT pg_backend_pid()", &[]);
        let rows = self.patiently(None, async { asked.await.map_err(|error| (0, error)) }).await?;
        get(&Answers(vec![rows].into_iter()).row()?, 0)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Text that has no parameters, and answers nothing.
    pub(super) async fn say(&self, text: &str) -> Result<(), Fault> {
        let said = async { self.client.batch_execute(text).await.map_err(|error| (0, error)) };
        self.patiently(None, said).await
    }

    /// Undoes what is open.
    pub(super) async fn rollback(&self) -> Result<(), Fault> {
        self.say("ROLLBACK").await
    }

    /// Sends all of a batch, then waits for the answers.
    pub(super) async fn run(&self, batch: &Batch, part: Part) -> Result<Answers, Fault> {
        let statements = self.statements(batch).await?;
        let mut answering: Vec<Answering<'_>> = Vec::with_capacity(batch.asks.len() + 2);
        if part.begins() {
            answering.push(self.saying(if part == Part::Look { &self.target.look } else { &self.target.begin }));
        }
        for ((sql, params), statement) in batch.asks.iter().zip(&statements) {
            answering.push(self.asking(sql, params, statement.as_ref()));
        }
        if part.ends() {
            answering.push(self.saying("COMMIT"));
        }
        let commit = matches!(part, Part::Whole | Part::Last).then(|| answering.len() - 1);
        let mut answers = self.patiently(commit, all(answering)).await?;
        if part.begins() {
            answers.remove(0);
        }
        Ok(Answers(answers.into_iter()))
    }

    /// The statements of a batch as the server knows them. Nothing is sent in between once a batch is on its way, so all of
    /// them have to be known before.
    async fn statements(&self, batch: &Batch) -> Result<Vec<Option<Statement>>, Fault> {
        if self.target.options.pooled {
            return Ok(batch.asks.iter().map(|_| None).collect());
        }
        let place = |sql: &Sql| sql.text.as_ptr() as usize;
        let mut unknown: Vec<&'static Sql> = Vec::new();
        {
            let prepared = self.prepared.lock();
            for (sql, _) in &batch.asks {
                if !prepared.contains_key(&place(sql)) && !unknown.iter().any(|other| place(other) == place(sql)) {
                    unknown.push(sql);
                }
            }
        }
        if !unknown.is_empty() {
            let preparing: Vec<Pin<Box<dyn Future<Output = _> + Send>>> = unknown
                .iter()
                .map(|sql| Box::pin(self.client.prepare_typed(sql.text, sql.types)) as Pin<Box<_>>)
                .collect();
            let statements = self.patiently(None, all(preparing)).await?;
            let mut prepared = self.prepared.lock();
            prepared.extend(unknown.iter().map(|sql| place(sql)).zip(statements));
        }
        let prepared = self.prepared.lock();
        Ok(batch.asks.iter().map(|(sql, _)| prepared.get(&place(sql)).cloned()).collect())
    }

    fn saying<'a>(&'a self, text: &'a str) -> Answering<'a> {
        Box::pin(async move { self.client.batch_execute(text).await.map(|()| Vec::new()) })
    }

    fn asking<'a>(&'a self, sql: &'a Sql, params: &'a [Param], statement: Option<&'a Statement>) -> Answering<'a> {
        let values = params.iter().map(|param| &**param as &(dyn ToSql + Sync));
        match statement {
            Some(statement) => {
                let values: Vec<_> = values.collect();
                Box::pin(async move { self.client.query(statement, &values).await })
            }
            None => {
                let values: Vec<(_, Type)> = values.zip(sql.types.iter().cloned()).collect();
                Box::pin(async move { self.client.query_typed(sql.text, &values).await })
            }
        }
    }

    /// `commit`: the place of the commit in what was asked.
    async fn patiently<T>(
        &self,
        commit: Option<usize>,
        answer: impl Future<Output = Result<T, (usize, tokio_postgres::Error)>>,
    ) -> Result<T, Fault> {
        match tokio::time::timeout(self.target.options.patience, answer).await {
            Ok(answered) => answered.map_err(|(at, error)| Fault::of(&error, commit.map(|commit| at < commit))),
            Err(_) => {
                self.task.abort();
                Err(Fault::gone("the server does not answer".to_owned(), commit.is_some()))
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Asks all in their order, then waits for all. The first error is the one that counts, with its place: those behind it follow
/// from it.
async fn all<T, E>(mut asked: Vec<Asking<'_, T, E>>) -> Result<Vec<T>, (usize, E)> {
    let mut answers: Vec<Option<Result<T, E>>> = asked.iter().map(|_| None).collect();
    poll_fn(|cx| {
        let mut waiting = false;
        for (one, answer) in asked.iter_mut().zip(&mut answers) {
            if answer.is_none() {
                match one.as_mut().poll(cx) {
                    Poll::Ready(ready) => *answer = Some(ready),
                    Poll::Pending => waiting = true,
                }
            }
        }
        if waiting { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    answers.into_iter().flatten().enumerate().map(|(at, answer)| answer.map_err(|error| (at, error))).collect()
}
