//! What waits for the writer.

use tokio::sync::oneshot;

use super::fault::{Missing, Stop};
use super::tx::{Tx, Wants};
use super::verb::Verb;
use crate::error::Error;
use crate::queue::Waiting;

/// How the transaction of a group ended.
#[derive(Clone, Debug)]
pub(super) enum End {
    /// It is durable.
    Durable,
    /// Nothing of it was written, because of this.
    Undone(Error),
    /// Nobody knows.
    Unknown,
}

/// How a write was carried out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ran {
    /// As it was asked for.
    Done,
    /// It is refused; what it wrote has to be undone.
    Refused,
}

/// A write on its way.
pub(super) trait Operation: Send {
    /// Bytes that it brings.
    fn bytes(&self) -> usize;

    /// Says what it will look at.
    fn want(&self, wants: &mut Wants<'_>);

    /// Carries it out. It may be asked again, after what it wrote was undone.
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<Ran, Missing>;

    /// Tells whoever waits; or gives itself back, because there is more to do.
    fn answer(self: Box<Self>, end: &End) -> Option<Box<dyn Operation>>;
}

impl Waiting for Box<dyn Operation> {
    fn bytes(&self) -> usize {
        (**self).bytes()
    }
}

/// Carries a write out, and keeps what came of it.
fn carry_out<A, T, E>(
    verb: &Verb<A, T, E>,
    args: &A,
    result: &mut Option<Result<T, E>>,
    tx: &mut Tx<'_>,
) -> Result<Ran, Missing> {
    let (kept, ran) = match (verb.run)(args, tx) {
        Ok(done) => (Ok(done), Ran::Done),
        Err(Stop::Refused(error)) => (Err(error), Ran::Refused),
        Err(Stop::Missing) => return Err(Missing),
    };
    *result = Some(kept);
    Ok(ran)
}

/// A write with its arguments, and whoever waits for it.
pub(super) struct Task<A, T, E> {
    args: A,
    bytes: usize,
    verb: Verb<A, T, E>,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<A, T, E> Task<A, T, E> {
    pub(super) fn new(args: A, bytes: usize, verb: Verb<A, T, E>) -> (Self, oneshot::Receiver<Result<T, E>>) {
        let (reply, answer) = oneshot::channel();
        (Self { args, bytes, verb, result: None, reply }, answer)
    }
}

impl<A: Send, T: Send, E: Send + From<Error>> Operation for Task<A, T, E> {
    fn bytes(&self) -> usize {
        self.bytes
    }

    fn want(&self, wants: &mut Wants<'_>) {
        (self.verb.want)(&self.args, wants);
    }

    fn run(&mut self, tx: &mut Tx<'_>) -> Result<Ran, Missing> {
        carry_out(&self.verb, &self.args, &mut self.result, tx)
    }

    fn answer(self: Box<Self>, end: &End) -> Option<Box<dyn Operation>> {
        let answer = match (end, self.result) {
            (End::Durable, Some(result)) => result,
            (End::Undone(error), _) => Err(error.clone().into()),
            // What it was refused for may rest on what is not known to be there.
            (_, Some(Err(_))) => {
                Err(Error::Unavailable("the server went away while this was looked at".to_owned()).into())
            }
            (_, _) => Err(Error::OutcomeUnknown.into()),
        };
        // Whoever waited may have gone away.
        _ = self.reply.send(answer);
        None
    }
}

/// How many rows a write of unknown size touches at a time, so that others get their turn.
pub(super) const STEP_ROWS: usize = 1_000;

/// A write of unknown size, carried out in steps of at most [`STEP_ROWS`] rows.
pub(super) struct Steps<A> {
    args: A,
    verb: Verb<A, u64, Error>,
    step: Option<Result<u64, Error>>,
    done: u64,
    reply: oneshot::Sender<Result<u64, Error>>,
}

impl<A> Steps<A> {
    /// The verb answers how many it changed; fewer than [`STEP_ROWS`] ends it.
    pub(super) fn new(args: A, verb: Verb<A, u64, Error>) -> (Self, oneshot::Receiver<Result<u64, Error>>) {
        let (reply, answer) = oneshot::channel();
        (Self { args, verb, step: None, done: 0, reply }, answer)
    }
}

impl<A: Send + 'static> Operation for Steps<A> {
    fn bytes(&self) -> usize {
        0
    }

    fn want(&self, wants: &mut Wants<'_>) {
        (self.verb.want)(&self.args, wants);
    }

    fn run(&mut self, tx: &mut Tx<'_>) -> Result<Ran, Missing> {
        carry_out(&self.verb, &self.args, &mut self.step, tx)
    }

    fn answer(mut self: Box<Self>, end: &End) -> Option<Box<dyn Operation>> {
        let answer = match (end, self.step.take()) {
            (End::Durable, Some(Ok(step))) => {
                self.done += step;
                if step >= STEP_ROWS as u64 {
                    return Some(self);
                }
                Ok(self.done)
            }
            (End::Durable, Some(Err(error))) => Err(error),
            (End::Undone(error), _) => Err(error.clone()),
            (_, _) => Err(Error::OutcomeUnknown),
        };
        _ = self.reply.send(answer);
        None
    }
}

/// What is done beside a group because an earlier one left it undone. Nobody waits for it.
pub(super) struct Unasked(pub(super) Verb<(), (), Error>);

impl Operation for Unasked {
    fn bytes(&self) -> usize {
        0
    }

    fn want(&self, wants: &mut Wants<'_>) {
        (self.0.want)(&(), wants);
    }

    fn run(&mut self, tx: &mut Tx<'_>) -> Result<Ran, Missing> {
        carry_out(&self.0, &(), &mut None, tx)
    }

    fn answer(self: Box<Self>, _: &End) -> Option<Box<dyn Operation>> {
        None
    }
}
