//! Mail of a process.

use bytes::Bytes;
use rusqlite::params;

use super::items::plugin_id;
use crate::Timestamp;
use crate::error::Error;
use crate::limits::PAGE_BYTES_MAX;
use crate::mail::{KeptMail, MailPage, MailPlace, Receiver};
use crate::number::sql;
use crate::sqlite::fault::Stop;
use crate::sqlite::readers::Reader;
use crate::sqlite::state::plugin_name;
use crate::sqlite::write::mail::{place, read_place, receiver};

/// Mail to any of these that is due.
pub(in crate::sqlite) fn mail_for(
    reader: &Reader,
    to: &[Receiver],
    after: Option<MailPlace>,
    now: Timestamp,
    limit: usize,
) -> Result<MailPage, Stop<Error>> {
    let mut all = MailPage::default();
    // The last place that is known of everybody's mail.
    let mut known: Option<MailPlace> = None;
    for to in to {
        let page = mail_to(reader, to, after, now, limit)?;
        if page.more {
            all.more = true;
            let last = page.mail.last().map(KeptMail::place).or(after);
            known = known.map_or(last, |known| last.map(|last| last.min(known)));
        }
        all.mail.extend(page.mail);
    }
    all.mail.sort_unstable_by_key(KeptMail::place);
    all.mail.dedup_by_key(|mail| mail.id);
    if let Some(known) = known {
        all.mail.retain(|mail| mail.place() <= known);
    }
    if all.mail.len() > limit {
        all.mail.truncate(limit);
        all.more = true;
    }
    Ok(all)
}

/// Mail of a range of the index.
macro_rules! select {
    ($range:literal) => {
        concat!(
            "SELECT at, id, (SELECT name FROM plugins WHERE plugins.id = sender), data
             FROM mail INDEXED BY mail_receivers WHERE plugin = ?1 AND receiver = ?2 AND ",
            $range,
            " ORDER BY at, id"
        )
    };
}

fn mail_to(
    reader: &Reader,
    to: &Receiver,
    after: Option<MailPlace>,
    now: Timestamp,
    limit: usize,
) -> Result<MailPage, Stop<Error>> {
    let mut page = MailPage::default();
    let Some(plugin) = plugin_id(reader, to.plugin())? else { return Ok(page) };
    let [at, id] = place(after);
    let mut bytes = 0;
    if at > sql(now) {
        return Ok(page);
    }
    // As where all that is due is looked at.
    for (select, bound) in [(select!("at = ?3 AND id > ?4"), id), (select!("at > ?3 AND at <= ?4"), sql(now))] {
        let mut select = reader.connection.prepare_cached(select)?;
        let mut rows = select.query(params![plugin, receiver(to), at, bound])?;
        while let Some(row) = rows.next()? {
            let data = row.get_ref(3)?.as_blob()?;
            bytes += data.len();
            if page.mail.len() >= limit || (bytes > PAGE_BYTES_MAX && !page.mail.is_empty()) {
                page.more = true;
                return Ok(page);
            }
            let MailPlace { at, id } = read_place(row.get(0)?, row.get(1)?);
            let (from, data) = (plugin_name(row, 2)?, Bytes::copy_from_slice(data));
            page.mail.push(KeptMail { id, from, to: to.clone(), data, at });
        }
    }
    Ok(page)
}
