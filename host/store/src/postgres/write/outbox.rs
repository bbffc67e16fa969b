//! A commit's messages on their way to topics.

use super::commit::AllUses;
use crate::commit::{Commit, Outgoing, Publish};
use crate::error::Error;
use crate::limits::MESSAGE_OVERHEAD;
use crate::number::sql;
use crate::postgres::fault::Stop;
use crate::postgres::numbers::Kind;
use crate::postgres::rows::outbox::{Message, size};
use crate::postgres::tx::{Tx, Wants};

fn publishes(commit: &Commit) -> impl Iterator<Item = &Publish> {
    commit.messages.iter().filter_map(|message| match message {
        Outgoing::Publish(publish) => Some(publish),
        Outgoing::Mail(_) => None,
    })
}

pub(super) fn want(commit: &Commit, wants: &mut Wants<'_>) {
    wants.numbers.want(Kind::Message, publishes(commit).count());
}

/// Writes a commit's messages.
pub(super) fn add<'a>(tx: &mut Tx<'_>, commit: &'a Commit, uses: &mut AllUses<'a>) -> Result<(), Stop<Error>> {
    for publish in publishes(commit) {
        let (id, plugin) = (tx.number(Kind::Message)?, tx.plugin(&commit.plugin)?);
        let bytes = sql(MESSAGE_OVERHEAD) + size(publish);
        uses.entry(&commit.plugin).or_default().bytes += bytes;
        tx.rows.outbox.add(Message { id, plugin, bytes, publish: publish.clone() });
        tx.effects.outbox.push(id);
        tx.effects.publishes.push(publish.clone());
    }
    Ok(())
}
