//! Queues whose leases are capped: who may lease, how many are at work, and what began lately.
//!
//! Whoever leases under caps locks the queue's row until the end of its transaction, so that the counts, which it reads behind
//! that, are of all who leased before. Nobody waits for the lock: another host's transaction is over in a moment, and what else is
//! in this host's group is not to wait for it. Where a look shows that there is no room, the row is not locked at all, so that
//! hosts which wait for a place are not in the way of those which have one to give.

use std::collections::BTreeMap;

use foldhash::HashMap;
use tokio_postgres::types::Type;

use crate::postgres::batch::{Answers, Batch, Raw, Sql, get, params};
use crate::postgres::fault::{Fault, Missing};
use crate::postgres::table::{Change, Table};
use crate::window::Window;

/// What is known of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::postgres) enum Known {
    /// It is locked for this group; so many of its jobs are at work, without what the group itself changes.
    Locked(i64),
    /// As many as may be are at work.
    Full,
    /// Another host has it locked.
    Elsewhere,
}

/// What leases of a queue want.
#[derive(Clone, Copy)]
struct Wanted {
    /// Below how many at work it is locked; none: in any case.
    below: Option<i64>,
    /// How many jobs at most.
    jobs: usize,
}

/// Queues of a group.
#[derive(Default)]
pub(in crate::postgres) struct Caps {
    wanted: BTreeMap<i64, Wanted>,
    asked: BTreeMap<i64, Wanted>,
    known: HashMap<i64, Known>,
    windows: Table<i64, Window>,
}

static LOCK: Sql = Sql {
    text: "SELECT queues.id FROM queues JOIN unnest($1::bigint[], $2::bigint[]) AS wanted(id, below) USING (id)
           WHERE below IS NULL OR below > coalesce((SELECT sum(executing) FROM queue_counts WHERE queue = queues.id), 0)
           ORDER BY queues.id FOR NO KEY UPDATE OF queues SKIP LOCKED",
    types: &[Type::INT8_ARRAY, Type::INT8_ARRAY],
};
/// A statement of its own: it sees what was committed before the lock was there.
static LOOK: Sql = Sql {
    text: "SELECT id, coalesce((SELECT sum(executing) FROM queue_counts WHERE queue = id), 0)::bigint,
             (SELECT begun FROM rates WHERE queue = id)
           FROM unnest($1::bigint[]) AS wanted(id)",
    types: &[Type::INT8_ARRAY],
};
static WRITE: Sql = Sql {
    text: "INSERT INTO rates(queue, begun) SELECT * FROM unnest($1::bigint[], $2::bytea[])
           ON CONFLICT (queue) DO UPDATE SET begun = excluded.begun",
    types: &[Type::INT8_ARRAY, Type::BYTEA_ARRAY],
};

impl Caps {
    /// The queue is to be locked, if fewer are at work, for so many jobs more.
    pub(in crate::postgres) fn want(&mut self, queue: i64, below: Option<i64>, jobs: usize) {
        if !self.known.contains_key(&queue) {
            let wanted = self.wanted.entry(queue).or_insert(Wanted { below, jobs: 0 });
            wanted.below = wanted.below.zip(below).map(|(one, other)| one.max(other));
            wanted.jobs = wanted.jobs.saturating_add(jobs);
        }
    }

    pub(in crate::postgres) fn get(&self, queue: i64) -> Result<Known, Missing> {
        self.known.get(&queue).copied().ok_or(Missing)
    }

    /// What began lately in a queue that is locked.
    pub(in crate::postgres) fn window(&mut self, queue: i64) -> Result<Window, Missing> {
        Ok(self.windows.get(&queue)?.cloned().unwrap_or_default())
    }

    pub(in crate::postgres) fn put(&mut self, queue: i64, window: Window) {
        if window.is_changed() {
            self.windows.put(queue, Some(window));
        }
    }

    pub(super) fn keep(&mut self) {
        self.windows.keep();
    }

    pub(super) fn undo(&mut self) {
        self.windows.undo();
    }

    pub(super) fn load(&mut self, batch: &mut Batch) {
        self.asked = std::mem::take(&mut self.wanted);
        self.asked.retain(|queue, _| !self.known.contains_key(queue));
        if !self.asked.is_empty() {
            let (queues, below): (Vec<i64>, Vec<Option<i64>>) =
                self.asked.iter().map(|(id, wanted)| (*id, wanted.below)).unzip();
            batch.ask(&LOCK, params![queues.clone(), below]);
            batch.ask(&LOOK, params![queues]);
        }
    }

    /// Answers how many jobs of which queues are to be loaded next: for all leases at once, however many there are in the group.
    pub(super) fn loaded(&mut self, answers: &mut Answers) -> Result<Vec<(i64, usize)>, Fault> {
        let asked = std::mem::take(&mut self.asked);
        let mut room = Vec::new();
        if asked.is_empty() {
            return Ok(room);
        }
        let locked = answers.rows().iter().map(|row| get(row, 0)).collect::<Result<Vec<i64>, Fault>>()?;
        for row in answers.rows() {
            let (queue, executing): (i64, i64) = (get(&row, 0)?, get(&row, 1)?);
            let Some(Wanted { below, jobs }) = asked.get(&queue).copied() else { continue };
            let free = below.map_or(i64::MAX, |below| below.saturating_sub(executing));
            let known = match () {
                () if locked.contains(&queue) => {
                    room.push((queue, jobs.min(usize::try_from(free).unwrap_or(0))));
                    Known::Locked(executing)
                }
                () if free <= 0 => Known::Full,
                () => Known::Elsewhere,
            };
            self.known.insert(queue, known);
            if let Some(begun) = get::<Option<&[u8]>>(&row, 2)? {
                self.windows.loaded(queue, Window::decode(begun));
            }
        }
        self.windows.absent(asked.into_keys().collect());
        Ok(room)
    }

    pub(super) fn write(&self, batch: &mut Batch) {
        let (mut queues, mut rows) = (Vec::new(), Vec::new());
        for (queue, change) in self.windows.changes() {
            if let Change::Insert(window) | Change::Update(window) = change {
                queues.push(*queue);
                rows.push(Raw(window.encode().into()));
            }
        }
        if !queues.is_empty() {
            batch.ask(&WRITE, params![queues, rows]);
        }
    }
}
