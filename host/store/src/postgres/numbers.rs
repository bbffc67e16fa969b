//! Numbers that grow. They are drawn when rows are locked, so that whoever has a row next draws higher ones.

use std::collections::VecDeque;

use tokio_postgres::types::Type;

use super::batch::{Answers, Batch, Sql, get, params};
use super::fault::{Fault, Missing};

/// What is numbered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Commits.
    Version,
    /// Leases: the first of [`FENCES`].
    Fence,
    /// Jobs.
    Job,
    /// Mail.
    Mail,
    /// Messages on their way.
    Message,
}

/// How many fences are drawn at once.
pub(super) const FENCES: i64 = 1_000;

const SEQUENCES: [&str; 5] = ["versions", "fences", "job_ids", "mail_ids", "message_ids"];

static DRAW: Sql = Sql {
    text: "SELECT ARRAY(SELECT nextval($1::text::regclass) FROM generate_series(1, $2))",
    types: &[Type::TEXT, Type::INT8],
};

/// Numbers that were drawn and are not used.
#[derive(Default)]
pub(super) struct Numbers {
    kinds: [Pool; 5],
}

#[derive(Default)]
struct Pool {
    free: VecDeque<i64>,
    /// What the write that is carried out has taken.
    taken: Vec<i64>,
    wanted: usize,
    asked: bool,
}

impl Numbers {
    fn pool(&mut self, kind: Kind) -> &mut Pool {
        #[expect(clippy::indexing_slicing, reason = "there are as many pools as kinds")]
        &mut self.kinds[kind as usize]
    }

    /// So many more will be wanted.
    pub(super) fn want(&mut self, kind: Kind, count: usize) {
        self.pool(kind).wanted += count;
    }

    /// The next one.
    pub(super) fn take(&mut self, kind: Kind) -> Result<i64, Missing> {
        let pool = self.pool(kind);
        match pool.free.pop_front() {
            Some(number) => {
                pool.taken.push(number);
                Ok(number)
            }
            None => {
                pool.wanted += 1;
                Err(Missing)
            }
        }
    }

    /// Another write begins.
    pub(super) fn keep(&mut self) {
        for pool in &mut self.kinds {
            pool.taken.clear();
        }
    }

    /// What was taken since [`keep`](Self::keep) is free again.
    pub(super) fn undo(&mut self) {
        for pool in &mut self.kinds {
            while let Some(number) = pool.taken.pop() {
                pool.free.push_front(number);
            }
        }
    }

    pub(super) fn load(&mut self, batch: &mut Batch) {
        for (pool, sequence) in self.kinds.iter_mut().zip(SEQUENCES) {
            let wanted = std::mem::take(&mut pool.wanted);
            pool.asked = wanted > 0;
            if pool.asked {
                batch.ask(&DRAW, params![sequence, i64::try_from(wanted).unwrap_or(i64::MAX)]);
            }
        }
    }

    pub(super) fn loaded(&mut self, answers: &mut Answers) -> Result<(), Fault> {
        for pool in self.kinds.iter_mut().filter(|pool| pool.asked) {
            pool.free.extend(get::<Vec<i64>>(&answers.row()?, 0)?);
        }
        Ok(())
    }
}
