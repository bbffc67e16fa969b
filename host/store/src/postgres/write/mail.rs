//! Mail to processes: posted, handled, deleted.

use skep_types::PluginName;

use super::commit::AllUses;
use crate::Timestamp;
use crate::commit::{Commit, Outgoing};
use crate::error::Error;
use crate::limits::MAIL_OVERHEAD;
use crate::mail::{KeptMail, Mail, MailId, Receiver};
use crate::number::{len, number, sql};
use crate::postgres::counts::Uses;
use crate::postgres::fault::{Missing, Stop};
use crate::postgres::numbers::Kind;
use crate::postgres::rows::mail::{Mail as Row, New};
use crate::postgres::tx::{Tx, Wants};
use crate::postgres::verb::Verb;

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

pub(super) fn want(commit: &Commit, wants: &mut Wants<'_>) {
    want_all(of(commit), wants);
}

fn want_all<'a>(all: impl Iterator<Item = &'a Mail>, wants: &mut Wants<'_>) {
    let mut count = 0;
    for mail in all {
        wants.plugin(mail.to.plugin());
        count += 1;
    }
    wants.numbers.want(Kind::Mail, count);
}

/// Writes a commit's mail. What it counts for is added to `uses`.
pub(super) fn add<'a>(tx: &mut Tx<'_>, commit: &'a Commit, uses: &mut AllUses<'a>) -> Result<Vec<MailId>, Stop<Error>> {
    let bytes: i64 = of(commit).map(size).sum();
    uses.entry(&commit.plugin).or_default().bytes += bytes;
    Ok(of(commit).map(|mail| add_one(tx, &commit.plugin, mail, commit.now)).collect::<Result<_, Missing>>()?)
}

fn add_one(tx: &mut Tx<'_>, from: &PluginName, mail: &Mail, now: Timestamp) -> Result<MailId, Missing> {
    let (sender, plugin) = (tx.plugin(from)?, tx.plugin(mail.to.plugin())?);
    let id = MailId(number(tx.number(Kind::Mail)?));
    // What is due is due from now on, so that nothing comes in behind whoever looks at what is due.
    let at = mail.at.map_or(now, |at| at.max(now));
    let (to_number, name) = match &mail.to {
        Receiver::Process(process) => (Some(process.number.cast_signed()), None),
        Receiver::Name(_, name) => (None, Some(name.clone())),
    };
    let new = New { name, at: sql(at), data: mail.data.clone() };
    tx.rows.mail.add(sql(id.0), Row { sender, plugin, number: to_number, bytes: size(mail), new: Some(new) });
    if at > now {
        tx.effects.mail_due(at);
    } else {
        let kept = KeptMail { id, from: from.clone(), to: mail.to.clone(), data: mail.data.clone(), at };
        tx.effects.mail.push(kept);
    }
    Ok(id)
}

/// What is posted: by whom, what, and the time.
pub(in crate::postgres) type Posted = (PluginName, Vec<Mail>, Timestamp);

/// Keeps mail.
pub(in crate::postgres) const POST: Verb<Posted, Vec<MailId>, Error> = Verb { want: want_post, run: post };

fn want_post((from, mail, _): &Posted, wants: &mut Wants<'_>) {
    wants.plugin(from);
    wants.quota(from);
    want_all(mail.iter(), wants);
}

fn post((from, mail, now): &Posted, tx: &mut Tx<'_>) -> Result<Vec<MailId>, Stop<Error>> {
    let bytes = mail.iter().map(size).sum();
    tx.within_quota(from, bytes)?;
    let sender = tx.plugin(from)?;
    tx.uses(sender, Uses { bytes, ..Uses::default() });
    Ok(mail.iter().map(|mail| add_one(tx, from, mail, *now)).collect::<Result<_, Missing>>()?)
}

/// Deletes one mail, and counts that. Answers whether it was there.
pub(super) fn remove(tx: &mut Tx<'_>, id: i64) -> Result<bool, Missing> {
    let Some((sender, bytes)) = tx.rows.mail.get(id)?.map(|mail| (mail.sender, mail.bytes)) else { return Ok(false) };
    tx.rows.mail.delete(id);
    tx.uses(sender, Uses { bytes: -bytes, ..Uses::default() });
    Ok(true)
}

/// Deletes mail.
pub(in crate::postgres) const DELETE: Verb<Vec<MailId>, u64, Error> = Verb { want: want_ids, run: delete };

fn want_ids(ids: &Vec<MailId>, wants: &mut Wants<'_>) {
    for id in ids {
        wants.rows.mail.want(sql(id.0));
    }
}

fn delete(ids: &Vec<MailId>, tx: &mut Tx<'_>) -> Result<u64, Stop<Error>> {
    let mut deleted = 0;
    for id in ids {
        deleted += u64::from(remove(tx, sql(id.0))?);
    }
    Ok(deleted)
}
