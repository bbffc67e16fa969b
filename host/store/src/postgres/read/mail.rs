//! Mail of a process.

use std::sync::Arc;

use tokio_postgres::types::Type;

use super::{bytes, plugin_name, rows_max, text};
use crate::Timestamp;
use crate::limits::PAGE_BYTES_MAX;
use crate::mail::{KeptMail, MailId, MailPage, MailPlace, Receiver};
use crate::number::{number, sql};
use crate::postgres::batch::{Answers, Batch, Sql, get, params};
use crate::postgres::fault::Fault;
use crate::postgres::readers::{Read, Reader};

/// Mail to one receiver; as events are looked at.
macro_rules! select {
    ($receiver:literal) => {
        concat!(
            "SELECT at, id, (SELECT name FROM plugins WHERE plugins.id = sender), data
             FROM (
               SELECT at, id, sender, data, sum(size) OVER (ORDER BY at, id) - size AS before
               FROM (
                 SELECT at, id, sender, data, octet_length(data) AS size FROM mail
                 WHERE plugin = (SELECT id FROM plugins WHERE name = $1) AND ",
            $receiver,
            " AND (at, id) > ($3, $4) AND at <= $5 ORDER BY at, id LIMIT $6
               ) AS found
             ) AS summed
             WHERE before <= $7 ORDER BY at, id"
        )
    };
}

static TO_NUMBER: Sql = Sql {
    text: select!("number = $2"),
    types: &[Type::TEXT, Type::INT8, Type::INT8, Type::INT8, Type::INT8, Type::INT8, Type::INT8],
};
static TO_NAME: Sql = Sql {
    text: select!("mail.name = $2"),
    types: &[Type::TEXT, Type::TEXT, Type::INT8, Type::INT8, Type::INT8, Type::INT8, Type::INT8],
};

/// A place's time and number; the place before all without one.
pub(super) fn place(place: Option<MailPlace>) -> (i64, i64) {
    place.map_or((i64::MIN, i64::MIN), |place| (sql(place.at), sql(place.id.0)))
}

/// Mail to any of these that is due.
pub(in crate::postgres) async fn mail_for(
    reader: Reader,
    args: Arc<(Vec<Receiver>, Option<MailPlace>, Timestamp, usize)>,
) -> Result<MailPage, Read> {
    let (to, after, now, limit) = &*args;
    let mut batch = Batch::default();
    let (at, id) = place(*after);
    let (rows, most) = (rows_max(*limit), sql(PAGE_BYTES_MAX as u64));
    let mut asked = Vec::new();
    for to in to {
        let plugin = to.plugin().to_string();
        match to {
            Receiver::Process(process) => {
                let process = process.number.cast_signed();
                batch.ask(&TO_NUMBER, params![plugin, process, at, id, sql(*now), rows, most]);
            }
            Receiver::Name(_, name) => {
                let Some(name) = text(name) else { continue };
                batch.ask(&TO_NAME, params![plugin, name, at, id, sql(*now), rows, most]);
            }
        }
        asked.push(to);
    }
    let mut all = MailPage::default();
    if asked.is_empty() {
        return Ok(all);
    }
    // The last place that is known of everybody's mail.
    let mut known: Option<MailPlace> = None;
    let mut answers = reader.look(&batch).await?;
    for to in asked {
        let page = mail_to(&mut answers, to, *limit)?;
        if page.more {
            all.more = true;
            let last = page.mail.last().map(KeptMail::place).or(*after);
            known = known.map_or(last, |known| last.map(|last| last.min(known)));
        }
        all.mail.extend(page.mail);
    }
    all.mail.sort_unstable_by_key(KeptMail::place);
    all.mail.dedup_by_key(|mail| mail.id);
    if let Some(known) = known {
        all.mail.retain(|mail| mail.place() <= known);
    }
    if all.mail.len() > *limit {
        all.mail.truncate(*limit);
        all.more = true;
    }
    Ok(all)
}

fn mail_to(answers: &mut Answers, to: &Receiver, limit: usize) -> Result<MailPage, Fault> {
    let (mut page, mut held) = (MailPage::default(), 0);
    for row in answers.rows() {
        let mail = KeptMail {
            id: MailId(number(get(&row, 1)?)),
            from: plugin_name(&row, 2)?,
            to: to.clone(),
            data: bytes(&row, 3)?,
            at: number(get(&row, 0)?),
        };
        held += mail.data.len();
        if page.mail.len() >= limit || (held > PAGE_BYTES_MAX && !page.mail.is_empty()) {
            page.more = true;
            break;
        }
        page.mail.push(mail);
    }
    Ok(page)
}
