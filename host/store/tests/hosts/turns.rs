//! The part of a host that runs processes: letters are posted, and turns handle them; one process after the other lives for a
//! moment. Both hosts run all of them, so that they are in each other's way.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use skep_store::{
    Commit, CommitError, Mail, NewProcess, Outgoing, ProcessChange, ProcessId, ProcessStore, ProcessTurn, Receiver,
    Saved,
};
use skep_types::HandlerName;

use crate::child::{Outcome, at_last, now, plugin, say};

/// Processes, numbered from 0 on.
pub(crate) const PROCESSES: u64 = 3;

pub(crate) fn id(number: u64) -> ProcessId {
    ProcessId { plugin: plugin(), number }
}

pub(crate) fn begin(name: String) -> NewProcess {
    let kind = HandlerName::new("letters").unwrap();
    NewProcess { kind, name: Some(name), args: Bytes::new(), saved: None, extra: Bytes::new(), wake_at: None }
}

pub(crate) fn of(change: ProcessChange) -> Commit {
    Commit { process: Some(change), ..Commit::new(plugin(), now()) }
}

/// By number, or by name.
fn receiver(number: u64) -> Receiver {
    if fastrand::bool() { Receiver::Process(id(number)) } else { Receiver::Name(plugin(), number.to_string()) }
}

/// Posts letters to a process, alone or with a commit.
pub(crate) async fn post(host: Arc<dyn ProcessStore>, to: u64) {
    while at_last(|| host.process(id(to))).await.is_none() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    loop {
        let letters: Vec<_> = (0..fastrand::usize(1..3)).map(|_| format!("{:016x}", fastrand::u64(..))).collect();
        let mail = letters.iter().map(|letter| Mail { to: receiver(to), data: letter.clone().into(), at: None });
        let outcome = if fastrand::bool() {
            let posted = host.post_mail(plugin(), mail.collect(), now());
            Outcome::of(async { posted.await.map(|_| ()).map_err(CommitError::from) }).await
        } else {
            let mut commit = Commit::new(plugin(), now());
            commit.messages = mail.map(Outgoing::Mail).collect();
            let posted = host.commit(commit);
            Outcome::of(async { posted.await.map(|_| ()) }).await
        };
        for letter in letters {
            match outcome {
                Outcome::Done(()) => say("posted", &letter),
                Outcome::Refused => say("not-posted", &letter),
                Outcome::Unknown => {}
            }
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Handles what was posted to a process: each letter is an event, and the state says how many there were.
pub(crate) async fn handle(host: Arc<dyn ProcessStore>, number: u64) {
    loop {
        let Some(record) = at_last(|| host.process(id(number))).await else {
            let begins = of(ProcessChange::begin(id(number), begin(number.to_string())));
            _ = Outcome::of(host.commit(begins)).await;
            continue;
        };
        let to = vec![Receiver::Process(id(number)), Receiver::Name(plugin(), number.to_string())];
        let limit = fastrand::usize(1..5);
        let mail = at_last(|| host.mail_for(to.clone(), None, now(), limit)).await.mail;
        if mail.is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
            continue;
        }
        let count = record.last_event + mail.len() as u64;
        let state = format!("{count}{}", " ".repeat(fastrand::usize(0..1_200)));
        let saved = Some(Saved { version: 1, state: state.into() });
        let mut change = ProcessChange::turn(id(number), record.seq, ProcessTurn { saved, ..ProcessTurn::default() });
        change.handled = mail.iter().map(|mail| mail.id).collect();
        change.append = mail.iter().map(|mail| mail.data.clone()).collect();
        if let Outcome::Done(done) = Outcome::of(host.commit(of(change))).await {
            say("turn", &format!("{number}/{}", done.process.unwrap().seq));
            for mail in mail {
                say("handled", std::str::from_utf8(&mail.data).unwrap());
            }
        }
    }
}

/// A process begins with a letter to it, and ends without having handled it; then the next one of its name.
pub(crate) async fn live_and_die(host: Arc<dyn ProcessStore>) {
    loop {
        let number = fastrand::u64(1 << 32..);
        let mut commit = of(ProcessChange::begin(id(number), begin("mortal".to_owned())));
        let letter = Mail { to: Receiver::Process(id(number)), data: "to nobody".into(), at: None };
        commit.messages.push(Outgoing::Mail(letter));
        commit.process.as_mut().unwrap().append = vec!["born".into(); 3];
        _ = Outcome::of(host.commit(commit)).await;
        // Its own, or one that another has begun.
        if let Some(lives) = at_last(|| host.process_by_name(plugin(), "mortal".to_owned())).await {
            _ = Outcome::of(host.commit(of(ProcessChange::end(lives.id, lives.seq)))).await;
        }
    }
}
