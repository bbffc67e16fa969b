//! The part of the child that runs processes: letters are posted, and turns handle them; one process after the other lives
//! for a moment.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use skep_store::{
    Commit, CommitError, Mail, NewProcess, Outgoing, ProcessChange, ProcessId, ProcessStore, ProcessTurn, Receiver,
    Saved, SqliteStore, Store,
};
use skep_types::HandlerName;

use crate::child::{NOW, plugin, say};

/// Processes, numbered from 0 on. Of those with odd numbers only the last events are kept, if they have one owner.
pub(crate) const PROCESSES: u64 = 4;
/// So many of them.
pub(crate) const EVENTS_KEPT: u64 = 5;

pub(crate) fn id(number: u64) -> ProcessId {
    ProcessId { plugin: plugin(), number }
}

/// By number, or by name.
fn receiver(number: u64) -> Receiver {
    if fastrand::bool() { Receiver::Process(id(number)) } else { Receiver::Name(plugin(), number.to_string()) }
}

pub(crate) fn begin(name: String) -> NewProcess {
    let kind = HandlerName::new("letters").unwrap();
    NewProcess { kind, name: Some(name), args: Bytes::new(), saved: None, extra: Bytes::new(), wake_at: None }
}

fn of(change: ProcessChange) -> Commit {
    Commit { process: Some(change), ..Commit::new(plugin(), NOW) }
}

/// Posts letters to a process, alone or with a commit.
pub(crate) async fn post(store: Arc<SqliteStore>, to: u64) {
    while store.process(id(to)).await.unwrap().is_none() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    loop {
        let letters: Vec<_> = (0..fastrand::usize(1..3)).map(|_| format!("{:016x}", fastrand::u64(..))).collect();
        let mail = letters.iter().map(|letter| Mail { to: receiver(to), data: letter.clone().into(), at: None });
        if fastrand::bool() {
            store.post_mail(plugin(), mail.collect(), NOW).await.unwrap();
        } else {
            let mut commit = Commit::new(plugin(), NOW);
            commit.messages = mail.map(Outgoing::Mail).collect();
            store.commit(commit).await.unwrap();
        }
        for letter in letters {
            say("posted", &letter);
        }
    }
}

/// Handles what was posted to a process: each letter is an event, and the state says how many there were.
pub(crate) async fn handle(store: Arc<SqliteStore>, number: u64, forgets: bool) {
    loop {
        let Some(record) = store.process(id(number)).await.unwrap() else {
            match store.commit(of(ProcessChange::begin(id(number), begin(number.to_string())))).await {
                // Another program may have been first.
                Ok(_) | Err(CommitError::Stale { .. } | CommitError::NameTaken(_)) => continue,
                Err(error) => panic!("{error}"),
            }
        };
        let to = vec![Receiver::Process(id(number)), Receiver::Name(plugin(), number.to_string())];
        let mail = store.mail_for(to, None, NOW, fastrand::usize(1..5)).await.unwrap().mail;
        if mail.is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
            continue;
        }
        let count = record.last_event + mail.len() as u64;
        // Now in its row, now beside it.
        let state = format!("{count}{}", " ".repeat(fastrand::usize(0..1_200)));
        let saved = Some(Saved { version: 1, state: state.into() });
        let mut change = ProcessChange::turn(id(number), record.seq, ProcessTurn { saved, ..ProcessTurn::default() });
        change.handled = mail.iter().map(|mail| mail.id).collect();
        change.append = mail.iter().map(|mail| mail.data.clone()).collect();
        if forgets {
            change.events_below = record.last_event.saturating_sub(EVENTS_KEPT);
        }
        match store.commit(of(change)).await {
            Ok(done) => {
                say("turn", &format!("{number}/{}", done.process.unwrap().seq));
                for mail in mail {
                    say("handled", std::str::from_utf8(&mail.data).unwrap());
                }
            }
            // Only if another program has it too.
            Err(CommitError::Stale { .. } | CommitError::Handled(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// A process begins with a letter to it, and ends without having handled it; then the next one of its name.
pub(crate) async fn live_and_die(store: Arc<SqliteStore>) {
    loop {
        let number = fastrand::u64(1 << 32..);
        let mut commit = of(ProcessChange::begin(id(number), begin("mortal".to_owned())));
        let letter = Mail { to: Receiver::Process(id(number)), data: "to nobody".into(), at: None };
        commit.messages.push(Outgoing::Mail(letter));
        commit.process.as_mut().unwrap().append = vec!["born".into(); 3];
        let lives = match store.commit(commit).await {
            Ok(_) => id(number),
            // One that a killed program left.
            Err(CommitError::NameTaken(other)) => other,
            Err(error) => panic!("{error}"),
        };
        match store.commit(of(ProcessChange::end(lives, 1))).await {
            Ok(_) | Err(CommitError::Stale { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}
