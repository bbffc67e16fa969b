//! Bringing the write-ahead log over into the database, beside the writer.
//!
//! Commits only add to the log; it can begin anew when all of it is in the database. A thread brings over what is there while
//! writes go on, and the writer the rest, which came meanwhile: so no commit waits for all of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;

use super::open::{self, PAGE_BYTES};
use super::writer::Shared;

/// The writer's side.
pub(super) struct Checkpoints {
    /// Asks the thread; one word waits at most.
    ask: SyncSender<()>,
    asked: bool,
    /// The thread has done what it was asked for.
    done: Arc<AtomicBool>,
    /// How many pages the log has.
    pages: Arc<AtomicU32>,
    /// From how many on it is brought over.
    pages_max: u32,
}

impl Checkpoints {
    /// Starts the thread. It ends when this is dropped.
    pub(super) fn start(shared: &Arc<Shared>) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (ask, asked) = sync_channel(1);
        let done = Arc::new(AtomicBool::new(false));
        let pages_max = u32::try_from(shared.options.log_bytes.0 / PAGE_BYTES).unwrap_or(u32::MAX);
        let (shared, tell) = (Arc::clone(shared), Arc::clone(&done));
        let run = move || run(&shared, &asked, &tell);
        let thread = std::thread::Builder::new().name("store-checkpoint".to_owned()).spawn(run)?;
        Ok((Self { ask, asked: false, done, pages: Arc::default(), pages_max }, thread))
    }

    /// The writer has a new connection.
    pub(super) fn watch(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        let pages = Arc::clone(&self.pages);
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, count| {
            pages.store(u32::try_from(count).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))
    }

    /// After a group was answered.
    pub(super) fn look(&mut self, connection: &Connection) {
        if self.pages.load(Ordering::Relaxed) < self.pages_max {
            return;
        }
        if !self.asked {
            self.asked = self.ask.try_send(()).is_ok();
        } else if self.done.swap(false, Ordering::Acquire) {
            self.asked = false;
            bring_over(connection);
        }
    }
}

fn run(shared: &Shared, asked: &Receiver<()>, done: &AtomicBool) {
    let mut connection: Option<Connection> = None;
    let mut generation = 0;
    while asked.recv().is_ok() {
        let present = shared.generation.load(Ordering::Acquire);
        if generation != present {
            generation = present;
            connection = None;
        }
        if connection.is_none() {
            connection = open::reopen(&shared.options).ok();
        }
        if !connection.as_ref().is_some_and(bring_over) {
            connection = None;
        }
        done.store(true, Ordering::Release);
    }
}

/// As much as can be brought over without waiting for anybody. Where it fails, the log keeps what it has, and it is tried
/// again when the next commits have come.
fn bring_over(connection: &Connection) -> bool {
    let done = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
    if let Err(error) = &done {
        tracing::warn!(%error, "the store's log was not brought over into its database; it is tried again");
    }
    done.is_ok()
}
