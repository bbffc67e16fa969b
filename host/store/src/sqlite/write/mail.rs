//! Mail: rows that wait for the turn that handles them.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{OptionalExtension, params};
use skep_types::PluginName;

use super::commit::within_quotas;
use crate::Timestamp;
use crate::commit::{Commit, Outgoing};
use crate::error::Error;
use crate::limits::MAIL_OVERHEAD;
use crate::mail::{KeptMail, Mail, MailId, Receiver};
use crate::number::{len, number, sql};
use crate::sqlite::fault::Stop;
use crate::sqlite::tx::Tx;

/// The column `receiver`: a number, or a name.
pub(in crate::sqlite) fn receiver(to: &Receiver) -> ToSqlOutput<'_> {
    match to {
        Receiver::Process(id) => ToSqlOutput::from(id.number.cast_signed()),
        Receiver::Name(_, name) => ToSqlOutput::Borrowed(ValueRef::Text(name.as_bytes())),
    }
}

fn size(mail: &Mail) -> i64 {
    let name = match &mail.to {
        Receiver::Process(_) => 0,
        Receiver::Name(_, name) => len(name.as_bytes()),
    };
    sql(MAIL_OVERHEAD) + name + len(&mail.data)
}

fn of(commit: &Commit) -> impl Iterator<Item = &Mail> {
    commit.messages.iter().filter_map(|message| match message {
        Outgoing::Mail(mail) => Some(mail),
        Outgoing::Publish(_) => None,
    })
}

/// What a commit's mail counts for.
pub(super) fn bytes(commit: &Commit) -> i64 {
    of(commit).map(size).sum()
}

/// Writes a commit's mail. Its bytes are counted with the commit's.
pub(super) fn add(tx: &mut Tx<'_>, commit: &Commit) -> rusqlite::Result<Vec<MailId>> {
    of(commit).map(|mail| add_one(tx, &commit.plugin, mail, commit.now)).collect()
}

fn add_one(tx: &mut Tx<'_>, from: &PluginName, mail: &Mail, now: Timestamp) -> rusqlite::Result<MailId> {
    let sender = tx.state.plugin_id(tx.connection, from)?;
    let plugin = tx.state.plugin_id(tx.connection, mail.to.plugin())?;
    tx.state.counters.mail += 1;
    let id = MailId(tx.state.counters.mail);
    // What is due is due from now on, so that nothing comes in behind whoever looks at what is due.
    let at = mail.at.map_or(now, |at| at.max(now));
    tx.connection
        .prepare_cached("INSERT INTO mail(id, sender, plugin, receiver, at, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![sql(id.0), sender, plugin, receiver(&mail.to), sql(at), &mail.data[..]])?;
    if at > now {
        tx.effects.mail_due(at);
    } else {
        let kept = KeptMail { id, from: from.clone(), to: mail.to.clone(), data: mail.data.clone(), at };
        tx.effects.mail.push(kept);
    }
    Ok(id)
}

/// What is posted: by whom, what, and the time.
pub(in crate::sqlite) type Post = (PluginName, Vec<Mail>, Timestamp);

/// Keeps mail.
pub(in crate::sqlite) fn post((from, mail, now): &Post, tx: &mut Tx<'_>) -> Result<Vec<MailId>, Stop<Error>> {
    let bytes = mail.iter().map(size).sum();
    within_quotas(tx, [(from, bytes)])?;
    tx.state.plugin_id(tx.connection, from)?;
    tx.state.used(from, 0, 0, bytes);
    mail.iter().map(|mail| add_one(tx, from, mail, *now)).collect::<rusqlite::Result<_>>().map_err(Stop::Fault)
}

/// A mail that is to go: its number, whose it is and what it counts for.
pub(super) struct Going {
    pub(super) id: i64,
    pub(super) sender: i64,
    pub(super) bytes: i64,
}

/// What a mail's row is asked for, to let it go.
macro_rules! going {
    () => {
        "id, sender, length(data) + iif(typeof(receiver) = 'text', octet_length(receiver), 0)"
    };
}

impl Going {
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { id: row.get(0)?, sender: row.get(1)?, bytes: row.get::<_, i64>(2)? + sql(MAIL_OVERHEAD) })
    }

    /// The mail of this number, if it is there and goes to a process of this plugin, or of any.
    pub(super) fn find(tx: &Tx<'_>, id: MailId, plugin: Option<i64>) -> rusqlite::Result<Option<Self>> {
        tx.connection
            .prepare_cached(concat!("SELECT ", going!(), " FROM mail WHERE id = ?1 AND plugin = ifnull(?2, plugin)"))?
            .query_row(params![sql(id.0), plugin], Self::read)
            .optional()
    }

    /// Mail to a process's number, at most `limit`.
    pub(super) fn of_process(tx: &Tx<'_>, plugin: i64, number: i64, limit: usize) -> rusqlite::Result<Vec<Self>> {
        tx.connection
            .prepare_cached(concat!(
                "SELECT ",
                going!(),
                " FROM mail INDEXED BY mail_receivers WHERE plugin = ?1 AND receiver = ?2 LIMIT ?3"
            ))?
            .query_map(params![plugin, number, sql(limit as u64)], Self::read)?
            .collect()
    }

    /// Deletes it; what it counted for is somebody else's to say.
    pub(super) fn delete(&self, tx: &Tx<'_>) -> rusqlite::Result<()> {
        tx.connection.prepare_cached("DELETE FROM mail WHERE id = ?1")?.execute([self.id])?;
        Ok(())
    }

    /// Deletes it, and counts that.
    pub(super) fn drop(&self, tx: &mut Tx<'_>) -> rusqlite::Result<()> {
        self.delete(tx)?;
        if let Some(sender) = tx.state.plugin_named(self.sender) {
            tx.state.used(&sender, 0, 0, -self.bytes);
        }
        Ok(())
    }
}

/// Deletes mail.
pub(in crate::sqlite) fn delete(ids: &Vec<MailId>, tx: &mut Tx<'_>) -> Result<u64, Stop<Error>> {
    let mut deleted = 0;
    for id in ids {
        if let Some(going) = Going::find(tx, *id, None)? {
            going.drop(tx)?;
            deleted += 1;
        }
    }
    Ok(deleted)
}

/// The number in the column `receiver`, or the name.
pub(in crate::sqlite) fn read_receiver(
    row: &rusqlite::Row<'_>,
    at: usize,
    plugin: PluginName,
) -> rusqlite::Result<Receiver> {
    Ok(match row.get_ref(at)? {
        ValueRef::Integer(number) => {
            Receiver::Process(crate::process::ProcessId { plugin, number: number.cast_unsigned() })
        }
        name => Receiver::Name(plugin, name.as_str()?.to_owned()),
    })
}

/// A place's time and number; the place before all without one.
pub(in crate::sqlite) fn place(place: Option<crate::mail::MailPlace>) -> [i64; 2] {
    place.map_or([i64::MIN; 2], |place| [sql(place.at), sql(place.id.0)])
}

/// What [`place`] gave.
pub(in crate::sqlite) fn read_place(at: i64, id: i64) -> crate::mail::MailPlace {
    crate::mail::MailPlace { at: number(at), id: MailId(number(id)) }
}
