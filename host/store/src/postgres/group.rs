//! The transaction of a group: what it wants is loaded, each write is decided, what became of the rows is written.

use super::batch::Batch;
use super::counts::{self, Counts};
use super::effects::Effects;
use super::fault::{Fault, Missing};
use super::feed;
use super::hosts;
use super::names::{self, Unnamed};
use super::numbers::Numbers;
use super::operation::{Operation, Ran};
use super::rows::outbox::Outbox;
use super::rows::processes::Processes;
use super::rows::{Family as _, Rows};
use super::session::{Part, Session};
use super::tx::{Tx, Wants};
use super::writer::Shared;
use crate::JobState;

/// How often a write may find something missing: each time is a round trip more.
const ROUNDS_MAX: usize = 10_000;

/// What a group works on.
pub(super) struct Group<'a> {
    session: &'a Session,
    shared: &'a Shared,
    rows: Rows,
    numbers: Numbers,
    counts: Counts,
    effects: Effects,
    unnamed: Unnamed,
    host: i64,
    /// There are other hosts.
    others: bool,
}

impl<'a> Group<'a> {
    /// A group of this host. The messages that it has told since the last one are deleted with it.
    pub(super) fn new(session: &'a Session, shared: &'a Shared, host: i64, told: Vec<i64>) -> Self {
        let slot = counts::slot(host);
        let (outbox, processes) = (Outbox::of(host, slot, told), Processes::of(slot));
        let rows = Rows { outbox, processes, ..Rows::default() };
        Self {
            session,
            shared,
            rows,
            numbers: Numbers::default(),
            counts: Counts::default(),
            effects: Effects::default(),
            unnamed: Unnamed::default(),
            host,
            others: false,
        }
    }

    /// Carries it out, all or nothing. Whatever the fault, what was begun is not undone yet.
    pub(super) async fn transact(mut self, operations: &mut [&mut dyn Operation], feed: u64) -> Result<Done, Fault> {
        self.want(operations);
        if !self.unnamed.is_empty() {
            names::ensure(self.session, &self.shared.names, std::mem::take(&mut self.unnamed)).await?;
            self.want(operations);
            // A plugin that has too many queues gets no more; its write sees that.
            self.unnamed = Unnamed::default();
        }
        self.load(Part::First).await?;
        for operation in operations {
            self.decide(*operation).await?;
        }
        let mut batch = Batch::default();
        self.rows.write(&mut batch);
        // A place that was taken again in the same write is none.
        self.effects.freed.retain(|queue| self.counts.more(*queue, JobState::Executing) < 0);
        let told = feed::write(&mut batch, &self.effects, self.host, feed, self.others);
        self.counts.write(&mut batch, counts::slot(self.host));
        if batch.is_empty() {
            self.session.rollback().await?;
        } else {
            self.session.run(&batch, Part::Last).await?;
        }
        Ok(Done { effects: self.effects, told })
    }

    fn want(&mut self, operations: &[&mut dyn Operation]) {
        let names = self.shared.names.read();
        let mut wants = Wants {
            rows: &mut self.rows,
            numbers: &mut self.numbers,
            counts: &mut self.counts,
            names: &names,
            unnamed: &mut self.unnamed,
            quotas: &self.shared.quotas,
        };
        for operation in operations {
            operation.want(&mut wants);
        }
    }

    /// Locks and loads what is wanted, after this host's own row, then draws numbers, so that they are higher than those of whoever had the rows before.
    async fn load(&mut self, part: Part) -> Result<(), Fault> {
        let mut batch = Batch::default();
        if part == Part::First {
            hosts::ask(&mut batch, self.host);
        }
        self.rows.load(&mut batch);
        self.counts.load(&mut batch);
        self.numbers.load(&mut batch);
        let mut answers = self.session.run(&batch, part).await?;
        if part == Part::First {
            self.others = hosts::answered(&mut answers)?;
        }
        self.rows.loaded(&mut answers)?;
        self.counts.loaded(&mut answers)?;
        self.numbers.loaded(&mut answers)?;
        if self.rows.has_strangers(&self.shared.names.read()) {
            names::refresh(self.session, &self.shared.names, Part::Middle).await?;
        }
        Ok(())
    }

    fn keep(&mut self) {
        self.rows.keep();
        self.numbers.keep();
        self.counts.keep();
    }

    fn undo(&mut self) {
        self.rows.undo();
        self.numbers.undo();
        self.counts.undo();
    }

    /// Carries a write out, and loads what it misses, until nothing is missing.
    async fn decide(&mut self, operation: &mut dyn Operation) -> Result<(), Fault> {
        for _ in 0..ROUNDS_MAX {
            self.keep();
            let mut effects = Effects { unresolved: self.effects.unresolved, ..Effects::default() };
            let ran = {
                let names = self.shared.names.read();
                operation.run(&mut Tx {
                    rows: &mut self.rows,
                    numbers: &mut self.numbers,
                    counts: &mut self.counts,
                    effects: &mut effects,
                    names: &names,
                    unnamed: &mut self.unnamed,
                    quotas: &self.shared.quotas,
                    capped: &self.shared.capped,
                    host: self.host,
                })
            };
            match ran {
                Ok(Ran::Done) => {
                    self.effects.absorb(effects);
                    return Ok(());
                }
                Ok(Ran::Refused) => {
                    self.undo();
                    return Ok(());
                }
                Err(Missing) => self.undo(),
            }
            if !self.unnamed.is_empty() {
                // Names are given in a transaction of their own, so that they stay whatever becomes of this one.
                self.session.rollback().await?;
                names::ensure(self.session, &self.shared.names, std::mem::take(&mut self.unnamed)).await?;
                return Err(Fault::Again("names came into being".to_owned()));
            }
            self.load(Part::Middle).await?;
        }
        Err(Fault::Failed("a write finds something missing again and again".to_owned()))
    }
}

/// What a durable group leaves.
pub(super) struct Done {
    pub(super) effects: Effects,
    /// Whether other hosts were told of it, under the next number.
    pub(super) told: bool,
}
