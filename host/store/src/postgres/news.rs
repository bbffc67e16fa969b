//! What other hosts tell: their feeds, as the observer of this one hears them.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::batch::{Batch, Sql, get, params};
use super::effects::earlier;
use super::fault::Fault;
use super::names::{self, SharedNames};
use super::session::{Part, Session};
use crate::job::{Fence, JobId, JobState};
use crate::mail::{KeptMail, MailId, Receiver};
use crate::number::{number, sql};
use crate::process::ProcessId;
use crate::store::Changes;

/// Hosts of whom is asked, and how far each was read; those of whom nothing was read yet are found by themselves.
static READ: Sql = Sql {
    text: "SELECT more.host, more.n, queues, next_due, taken, fences, ended, states, mail, mail_due
           FROM (SELECT id FROM hosts WHERE id <> $1 UNION SELECT unnest($2::bigint[])) AS hosts(host)
           LEFT JOIN unnest($2::bigint[], $3::bigint[]) AS known(host, n) USING (host)
           CROSS JOIN LATERAL (
             SELECT * FROM feed WHERE feed.host = hosts.host AND feed.n > coalesce(known.n, 0) ORDER BY n LIMIT $4
           ) AS more ORDER BY more.host, more.n",
    types: &[Type::INT8, Type::INT8_ARRAY, Type::INT8_ARRAY, Type::INT8],
};
static LAST: Sql = Sql { text: "SELECT host, max(n) FROM feed WHERE host <> $1 GROUP BY host", types: &[Type::INT8] };
/// How long a mail is that comes with others is summed, so that they do not fill the memory.
static MAIL: Sql = Sql {
    text: "SELECT id, sender, plugin, number, name, at, CASE WHEN so_far <= $2 THEN data END
           FROM (
             SELECT *, sum(octet_length(data)) OVER (ORDER BY id) AS so_far FROM mail WHERE id = ANY($1)
           ) AS mail ORDER BY id",
    types: &[Type::INT8_ARRAY, Type::INT8],
};
/// How many rows of a host are read at once.
const ROWS_MAX: i64 = 64;
/// How many mails are read one by one. Overload policy: where there are more, or more bytes, the observer is told that some mail
/// is due, and looks for itself.
const MAIL_MAX: usize = 1_000;
/// How many bytes of mail.
const MAIL_BYTES_MAX: i64 = 8 << 20;

/// How far the feeds of other hosts were read.
#[derive(Default)]
pub(super) struct Cursor(BTreeMap<i64, u64>);

/// What other hosts did.
pub(super) struct News {
    pub(super) changes: Changes,
    /// There may be more.
    pub(super) more: bool,
}

impl Cursor {
    /// Behind everything that is there.
    pub(super) async fn now(session: &Session, host: i64) -> Result<Self, Fault> {
        let rows = session.run(&Batch::of(&LAST, params![host]), Part::Look).await?.rows();
        rows.iter().map(|row| Ok((get(row, 0)?, number(get(row, 1)?)))).collect::<Result<_, Fault>>().map(Self)
    }

    /// A host that is gone, and whose feed is too.
    pub(super) fn forget(&mut self, host: i64) {
        self.0.remove(&host);
    }

    /// What other hosts did since it was read last; some of it, if it is much.
    pub(super) async fn read(&mut self, session: &Session, names: &SharedNames, host: i64) -> Result<News, Fault> {
        let (hosts, ns): (Vec<i64>, Vec<i64>) = self.0.iter().map(|(host, n)| (*host, sql(*n))).unzip();
        let batch = Batch::of(&READ, params![host, hosts, ns, ROWS_MAX]);
        let rows = session.run(&batch, Part::Look).await?.rows();
        let mut found = Found::default();
        let mut read = self.0.clone();
        let mut of_one = (0, 0);
        let mut more = false;
        for row in &rows {
            let (of, n) = (get(row, 0)?, number(get(row, 1)?));
            let before = read.insert(of, n);
            // What was deleted before it was read is not known.
            found.changes.reopened |= n != before.unwrap_or(0) + 1;
            of_one = if of_one.0 == of { (of, of_one.1 + 1) } else { (of, 1) };
            more |= of_one.1 >= ROWS_MAX;
            found.read(row)?;
        }
        let changes = found.complete(session, names).await?;
        self.0 = read;
        Ok(News { changes, more })
    }
}

/// What is read.
#[derive(Default)]
struct Found {
    changes: Changes,
    queues: BTreeSet<i64>,
    mail: BTreeSet<i64>,
}

impl Found {
    fn read(&mut self, row: &Row) -> Result<(), Fault> {
        let changes = &mut self.changes;
        self.queues.extend(get::<Vec<i64>>(row, 2)?);
        let due: Option<i64> = get(row, 3)?;
        changes.next_due = earlier(changes.next_due, due.map(number));
        let (taken, fences): (Vec<i64>, Vec<i64>) = (get(row, 4)?, get(row, 5)?);
        changes.taken.extend(taken.iter().zip(fences).map(|(id, fence)| (JobId(number(*id)), Fence(number(fence)))));
        let (ended, states): (Vec<i64>, Vec<i16>) = (get(row, 6)?, get(row, 7)?);
        for (id, state) in ended.into_iter().zip(states) {
            let state = usize::try_from(state).ok().and_then(|state| JobState::ALL.get(state).copied());
            changes.ended.extend(state.map(|state| (JobId(number(id)), state)));
        }
        self.mail.extend(get::<Vec<i64>>(row, 8)?);
        let due: Option<i64> = get(row, 9)?;
        changes.mail_due = earlier(changes.mail_due, due.map(number));
        Ok(())
    }

    /// With names, and with the mail itself.
    async fn complete(mut self, session: &Session, names: &SharedNames) -> Result<Changes, Fault> {
        let is_strange = || self.queues.iter().any(|queue| names.read().queue_name(*queue).is_none());
        if is_strange() {
            names::refresh(session, names, Part::Look).await?;
        }
        {
            let names = names.read();
            self.changes.available = self.queues.iter().filter_map(|id| names.queue_name(*id).cloned()).collect();
        }
        self.changes.available.sort_unstable();
        if self.mail.len() > MAIL_MAX {
            self.changes.mail_due = Some(0);
        } else if !self.mail.is_empty() {
            let ids: Vec<i64> = self.mail.iter().copied().collect();
            let rows = session.run(&Batch::of(&MAIL, params![ids, MAIL_BYTES_MAX]), Part::Look).await?.rows();
            self.read_mail(&rows, session, names).await?;
        }
        Ok(self.changes)
    }

    async fn read_mail(&mut self, rows: &[Row], session: &Session, names: &SharedNames) -> Result<(), Fault> {
        let plugins: Vec<(i64, i64)> =
            rows.iter().map(|row| Ok((get(row, 1)?, get(row, 2)?))).collect::<Result<_, Fault>>()?;
        let is_strange = |id: i64| names.read().plugin_name(id).is_none();
        if plugins.iter().any(|(from, to)| is_strange(*from) || is_strange(*to)) {
            names::refresh(session, names, Part::Look).await?;
        }
        let names = names.read();
        for (row, (from, to)) in rows.iter().zip(plugins) {
            let (Some(from), Some(plugin)) = (names.plugin_name(from).cloned(), names.plugin_name(to).cloned()) else {
                continue;
            };
            let to = match (get::<Option<i64>>(row, 3)?, get::<Option<String>>(row, 4)?) {
                (Some(process), _) => Receiver::Process(ProcessId { plugin, number: process.cast_unsigned() }),
                (None, Some(name)) => Receiver::Name(plugin, name),
                (None, None) => continue,
            };
            let (id, at) = (MailId(number(get(row, 0)?)), number(get(row, 5)?));
            match get::<Option<Vec<u8>>>(row, 6)? {
                Some(data) => self.changes.mail.push(KeptMail { id, from, to, data: data.into(), at }),
                None => self.changes.mail_due = Some(0),
            }
        }
        Ok(())
    }
}
