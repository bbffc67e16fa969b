//! One process in memory.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Waker;

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};

use crate::address::{Number, Pid};
use crate::behaviour::{CallRef, Identity, Instance, Saved};
use crate::keeper::{Record, Same};
use crate::kind::{Kind, Revision};
use crate::letter::{Answer, Letter};
use crate::places::Place;
use crate::rare::Rare;
use crate::time::Tick;

/// A process. There may be a million, so what few of them need is in [`Rare`].
pub(crate) struct Cell {
    pub(crate) number: Number,
    pub(crate) kind: Arc<Kind>,
    pub(crate) name: Option<Arc<str>>,
    /// Whose answer it waits for; 0: nobody's.
    pub(crate) waits_for: AtomicU64,
    /// Whether what it does is to be cut off.
    pub(crate) cut: AtomicBool,
    // A plain mutex: nothing is awaited, and no behaviour called, while it is held.
    state: Mutex<State>,
}

/// What changes.
pub(crate) struct State {
    pub(crate) stage: Stage,
    pub(crate) mailbox: VecDeque<Letter>,
    /// How many of them count against its bound.
    pub(crate) counted: u32,
    pub(crate) wishes: Wishes,
    pub(crate) crashes: u32,
    /// The revision that it could not move to.
    pub(crate) refused: u64,
    pub(crate) handled: u64,
    /// Since when it has nothing to do.
    pub(crate) idle_since: Tick,
    /// Where it is in the kind's index; 0: it is not in there.
    pub(crate) indexed: Tick,
    /// Whether its `init` has returned once.
    pub(crate) begun: bool,
    /// Whether it runs now.
    pub(crate) beginning: bool,
    /// Whoever started it decides what follows a crash.
    pub(crate) supervised: bool,
    /// A call that is in hand.
    pub(crate) hand: Option<(CallRef, Answer)>,
    /// Wakes the turn that is under way.
    pub(crate) waker: Option<Waker>,
    pub(crate) args: Box<[u8]>,
    pub(crate) rare: Option<Box<Rare>>,
    /// Of a kept process.
    pub(crate) kept: Option<Box<Kept>>,
}

/// Where the state of a process is.
pub(crate) enum Stage {
    /// Nowhere: its `init` has to run. The first time it does, somebody waits for it.
    Unborn,
    /// In an instance that has nothing to do.
    Live(Box<Running>),
    /// With the turn that is under way.
    Working,
    /// Here.
    Asleep(Box<Asleep>),
    /// In the store.
    Stored,
    /// As `Unborn` or `Stored`, but not yet.
    BackingOff,
    /// The same, and not before somebody says so.
    GaveUp,
    /// In the store, and it does not load.
    Quarantined,
    /// It has ended for good.
    Ended,
}

/// An instance and what belongs to it.
pub(crate) struct Running {
    pub(crate) instance: Box<dyn Instance>,
    pub(crate) revision: Arc<Revision>,
    /// What was committed or saved last; none where nobody asks.
    pub(crate) committed: Option<Bytes>,
    /// Its place among those who live. The last one to be dropped.
    pub(crate) _place: Place,
}

/// A state in memory.
pub(crate) struct Asleep {
    pub(crate) state: Box<[u8]>,
    pub(crate) version: u32,
    pub(crate) revision: Arc<Revision>,
}

/// What the engine knows of the record of a kept process.
#[derive(Default)]
pub(crate) struct Kept {
    /// Its last commit; 0: it is not in the store yet.
    pub(crate) seq: u64,
    pub(crate) events_from: u64,
    pub(crate) events_to: u64,
    /// Messages since the last snapshot.
    pub(crate) dirty: u32,
    /// Of an event log, the state in the record, which events follow.
    pub(crate) saved: Option<Saved>,
    /// Whether the record has a state from before an upgrade.
    pub(crate) before: bool,
}

impl Kept {
    /// What of a record that is to be written is what it was.
    pub(crate) fn same(&self, record: &Record, state: &State) -> Same {
        let saved = match (&record.saved, &self.saved) {
            (Some(new), Some(old)) => {
                new.version == old.version && std::ptr::eq(new.state.as_ref(), old.state.as_ref())
            }
            (new, old) => new.is_none() && old.is_none(),
        };
        let written = || state.rare.as_ref().and_then(|rare| rare.before.as_ref()).is_some_and(|before| before.written);
        let before = record.before.is_some() == self.before && (!self.before || written());
        Same { saved, before }
    }
}

/// What a process is to do beside its messages, when it has a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wishes(u16);

impl Wishes {
    /// Go to sleep, if there is nothing to do.
    pub(crate) const SLEEP: Self = Self(1);
    /// Write its snapshot.
    pub(crate) const WRITE: Self = Self(2);
    /// Move to another revision.
    pub(crate) const MOVE: Self = Self(4);
    /// Look for mail in the store.
    pub(crate) const MAIL: Self = Self(8);
    /// Leave the memory.
    pub(crate) const LEAVE: Self = Self(16);
    /// It was killed.
    pub(crate) const DIE: Self = Self(32);
    /// It is to be started again whatever its budget says.
    pub(crate) const AGAIN: Self = Self(64);
    /// It is to end: there is a stop order or a doom.
    pub(crate) const END: Self = Self(128);
    /// What it monitors and is linked to is to be looked up again.
    pub(crate) const TIES: Self = Self(256);
    /// Begin, or begin again: to get an instance though nobody asks for anything.
    pub(crate) const BEGIN: Self = Self(512);

    pub(crate) const fn has(self, wish: Self) -> bool {
        self.0 & wish.0 != 0
    }

    pub(crate) const fn add(&mut self, wish: Self) {
        self.0 |= wish.0;
    }

    /// Whether it was there.
    pub(crate) const fn take(&mut self, wish: Self) -> bool {
        let had = self.has(wish);
        self.0 &= !wish.0;
        had
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl Cell {
    pub(crate) fn new(number: Number, kind: Arc<Kind>, name: Option<Arc<str>>, stage: Stage, args: &[u8]) -> Self {
        let kept = kind.setup.load().options.persistence.is_kept().then(Box::default);
        Self {
            number,
            kind,
            name,
            waits_for: AtomicU64::new(0),
            cut: AtomicBool::new(false),
            state: Mutex::new(State {
                stage,
                mailbox: VecDeque::new(),
                counted: 0,
                wishes: Wishes::default(),
                crashes: 0,
                refused: 0,
                handled: 0,
                idle_since: 0,
                indexed: 0,
                begun: false,
                beginning: false,
                supervised: false,
                hand: None,
                waker: None,
                args: args.into(),
                rare: None,
                kept,
            }),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid { plugin: self.kind.plugin.clone(), kind: Arc::clone(&self.kind.name), number: self.number }
    }

    pub(crate) fn identity(&self) -> Identity {
        Identity { pid: self.pid(), name: self.name.clone() }
    }

    /// Its name, or else its pid, for people.
    pub(crate) fn shown(&self) -> String {
        match &self.name {
            Some(name) => format!("{}/{name}", self.kind.plugin),
            None => self.pid().to_string(),
        }
    }

    /// Cuts off what it does now. The waker is for whoever called, once the lock is gone.
    #[must_use]
    pub(crate) fn cut_off(&self, state: &mut State) -> Option<Waker> {
        self.cut.store(true, Ordering::Release);
        state.waker.take()
    }
}

impl State {
    pub(crate) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    pub(crate) fn push(&mut self, letter: Letter) {
        self.counted += u32::from(letter.is_counted());
        self.mailbox.push_back(letter);
    }

    /// Back where it was.
    pub(crate) fn put_back(&mut self, letter: Letter) {
        self.counted += u32::from(letter.is_counted());
        self.mailbox.push_front(letter);
    }

    pub(crate) fn pop(&mut self) -> Option<Letter> {
        let letter = self.mailbox.pop_front()?;
        self.counted -= u32::from(letter.is_counted());
        Some(letter)
    }

    /// Whether nothing of it is at work and nothing waits.
    pub(crate) fn is_working(&self) -> bool {
        matches!(self.stage, Stage::Working)
    }
}
