//! Where jobs are found: each is in a lane of the one index, in the order of its rank.

use std::collections::BTreeMap;

use tokio_postgres::types::Type;

use crate::job::JobState;
use crate::postgres::batch::{Answers, Batch, Sql, get, params};
use crate::postgres::fault::{Fault, Missing};

/// A job's place in the index: its lane, its rank there, its number.
pub(super) type Key = (i64, i64, i64);

/// In which lane a job of this state is.
pub(super) const fn lane(state: JobState, queue: i64, priority: i64) -> i64 {
    match state {
        JobState::Suspended => 0,
        JobState::Scheduled | JobState::Retryable => -1,
        JobState::Available => queue * 10 + priority,
        JobState::Executing => -2,
        JobState::Completed | JobState::Cancelled | JobState::Discarded => -(state as i64),
    }
}

/// Jobs that are looked for from the first on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::postgres) enum Lane {
    /// Those that wait for their time, by it.
    Due,
    /// Those on lease, by when it runs out.
    Leased,
    /// Those that are final, by when they ended.
    Ended(JobState),
    /// Those of a queue that can be leased, by their priority, then by when they were to run.
    Queue(i64),
}

impl Lane {
    /// The number of the lane; of a queue's, that of the first.
    pub(super) const fn first(self) -> i64 {
        match self {
            Self::Due => -1,
            Self::Leased => -2,
            Self::Ended(state) => -(state as i64),
            Self::Queue(queue) => queue * 10,
        }
    }

    /// What all its keys are behind, and the last there can be up to this rank.
    const fn bounds(self, rank: i64) -> (Key, Key) {
        let first = self.first();
        let last = if matches!(self, Self::Queue(_)) { first + 9 } else { first };
        ((first, i64::MIN, i64::MIN), (last, rank, i64::MAX))
    }
}

/// How far the lanes are known.
#[derive(Default)]
pub(super) struct Reach {
    /// All keys up to there are loaded, but for those that other hosts have locked.
    known: BTreeMap<Lane, Key>,
    /// How many more are to be loaded, and up to which rank.
    wanted: BTreeMap<Lane, (i64, i64)>,
    asked: Vec<(Lane, Key, i64)>,
}

/// Locked ones are left to those who have them: two hosts that lease share what there is.
static LANE: Sql = Sql {
    text: concat!(
        "SELECT ",
        super::row::columns!(),
        " FROM jobs WHERE (lane, rank, id) > ($1, $2, $3) AND (lane, rank, id) <= ($4, $5, $6)
          ORDER BY lane, rank, id LIMIT $7 FOR UPDATE SKIP LOCKED"
    ),
    types: &[Type::INT8, Type::INT8, Type::INT8, Type::INT8, Type::INT8, Type::INT8, Type::INT8],
};
/// The same, with what a worker is given.
static QUEUE: Sql = Sql {
    text: concat!(
        "SELECT ",
        super::row::columns!(),
        ", args, meta FROM jobs WHERE (lane, rank, id) > ($1, $2, $3) AND (lane, rank, id) <= ($4, $5, $6)
          ORDER BY lane, rank, id LIMIT $7 FOR UPDATE SKIP LOCKED"
    ),
    types: &[Type::INT8, Type::INT8, Type::INT8, Type::INT8, Type::INT8, Type::INT8, Type::INT8],
};

impl Reach {
    /// So many more up to this rank.
    pub(super) fn want(&mut self, lane: Lane, rank: i64, more: usize) {
        let wanted = self.wanted.entry(lane).or_insert((rank, 0));
        let more = i64::try_from(more).unwrap_or(i64::MAX);
        *wanted = (wanted.0.max(rank), wanted.1.saturating_add(more));
    }

    /// The part of the lane up to this rank that is known, and whether that is all of it.
    pub(super) fn known(&self, lane: Lane, rank: i64) -> ((Key, Key), bool) {
        let (from, to) = lane.bounds(rank);
        let known = self.known.get(&lane).copied().unwrap_or(from).min(to);
        ((from, known), known == to)
    }

    pub(super) fn load(&mut self, batch: &mut Batch) {
        self.asked.clear();
        for (lane, (rank, more)) in std::mem::take(&mut self.wanted) {
            let (from, to) = lane.bounds(rank);
            let past = self.known.get(&lane).copied().unwrap_or(from);
            if past < to && more > 0 {
                let sql = if matches!(lane, Lane::Queue(_)) { &QUEUE } else { &LANE };
                batch.ask(sql, params![past.0, past.1, past.2, to.0, to.1, to.2, more]);
                self.asked.push((lane, to, more));
            }
        }
    }

    /// Those whose answers come now: with what a worker is given, or without.
    pub(super) fn asked(&mut self) -> Vec<(Lane, Key, i64)> {
        std::mem::take(&mut self.asked)
    }

    /// All up to this key is loaded.
    pub(super) fn reached(&mut self, lane: Lane, key: Key) {
        self.known.insert(lane, key);
    }
}

/// What comes next in a lane, as others see it.
#[derive(Default)]
pub(super) struct Peeks {
    wanted: BTreeMap<(Lane, i64), i64>,
    asked: Vec<(Lane, i64)>,
    known: BTreeMap<(Lane, i64), Peek>,
}

/// What a lane has up to a rank, and what comes behind.
pub(super) struct Peek {
    pub(super) ids: Vec<i64>,
    pub(super) next: Option<i64>,
}

static PEEK: Sql = Sql {
    text: "SELECT ARRAY(SELECT id FROM jobs WHERE lane = $1 AND rank <= $2 ORDER BY rank, id LIMIT $3),
             (SELECT rank FROM jobs WHERE lane = $1 AND rank > $2 ORDER BY rank, id LIMIT 1)",
    types: &[Type::INT8, Type::INT8, Type::INT8],
};

impl Peeks {
    pub(super) fn want(&mut self, lane: Lane, rank: i64, limit: usize) {
        if !self.known.contains_key(&(lane, rank)) {
            self.wanted.insert((lane, rank), i64::try_from(limit).unwrap_or(i64::MAX));
        }
    }

    pub(super) fn get(&mut self, lane: Lane, rank: i64) -> Result<&Peek, Missing> {
        if !self.known.contains_key(&(lane, rank)) {
            self.wanted.entry((lane, rank)).or_insert(1);
        }
        self.known.get(&(lane, rank)).ok_or(Missing)
    }

    pub(super) fn load(&mut self, batch: &mut Batch) {
        let wanted = std::mem::take(&mut self.wanted);
        for ((lane, rank), limit) in &wanted {
            batch.ask(&PEEK, params![lane.first(), *rank, *limit]);
        }
        self.asked = wanted.into_keys().collect();
    }

    pub(super) fn loaded(&mut self, answers: &mut Answers) -> Result<(), Fault> {
        for asked in std::mem::take(&mut self.asked) {
            let row = answers.row()?;
            self.known.insert(asked, Peek { ids: get(&row, 0)?, next: get(&row, 1)? });
        }
        Ok(())
    }
}
