//! What becomes of the process whose turn a commit is.

use rusqlite::{OptionalExtension, params};
use skep_types::PluginName;

use super::mail::Going;
use super::trim::{self, Trim};
use crate::error::{CommitError, Error};
use crate::limits::{EVENT_OVERHEAD, PROCESS_OVERHEAD, QUARANTINE_BYTES_MAX};
use crate::number::{len, number, sql};
use crate::process::{BeforeChange, NewProcess, ProcessChange, ProcessDone, ProcessId, ProcessTurn, RecordChange};
use crate::sqlite::fault::{Stop, refuse};
use crate::sqlite::part::{self, Part};
use crate::sqlite::tx::Tx;

/// What is asked of a record that is to change.
#[derive(Clone, Copy)]
struct Head {
    plugin: i64,
    number: i64,
    seq: i64,
    bytes: i64,
    first_event: i64,
    last_event: i64,
    wake_at: Option<i64>,
    parts: i64,
    extra: i64,
    state: i64,
    quarantined: bool,
}

impl Head {
    fn load(tx: &Tx<'_>, id: &ProcessId) -> rusqlite::Result<Option<Self>> {
        let Some(plugin) = tx.state.plugin(&id.plugin).map(|plugin| plugin.id) else { return Ok(None) };
        let number = id.number.cast_signed();
        let found = tx
            .connection
            .prepare_cached(
                "SELECT seq, bytes, first_event, last_event, wake_at, parts, coalesce(length(extra), 0),
                   coalesce(length(state), 0), quarantined IS NOT NULL FROM processes WHERE plugin = ?1 AND number = ?2",
            )?
            .query_row([plugin, number], |row| {
                Ok(Self {
                    plugin,
                    number,
                    seq: row.get(0)?,
                    bytes: row.get(1)?,
                    first_event: row.get(2)?,
                    last_event: row.get(3)?,
                    wake_at: row.get(4)?,
                    parts: row.get(5)?,
                    extra: row.get(6)?,
                    state: row.get(7)?,
                    quarantined: row.get(8)?,
                })
            })
            .optional()?;
        let Some(mut head) = found else { return Ok(None) };
        for (part, bytes) in [(Part::Extra, &mut head.extra), (Part::State, &mut head.state)] {
            if head.parts & part.bit() != 0 {
                *bytes = part::len(tx.connection, plugin, number, part)?;
            }
        }
        Ok(Some(head))
    }

    fn before(&self, tx: &Tx<'_>) -> rusqlite::Result<i64> {
        let found: Option<i64> = tx
            .connection
            .prepare_cached("SELECT length(state) FROM process_befores WHERE plugin = ?1 AND number = ?2")?
            .query_row([self.plugin, self.number], |row| row.get(0))
            .optional()?;
        Ok(found.map_or(0, |bytes| bytes + sql(EVENT_OVERHEAD)))
    }

    /// Deletes the record. Its events and its mail go with it, or behind it.
    fn delete(&self, tx: &mut Tx<'_>, of: &PluginName) -> rusqlite::Result<()> {
        let before = self.before(tx)?;
        let at = [self.plugin, self.number];
        tx.connection.prepare_cached("DELETE FROM processes WHERE plugin = ?1 AND number = ?2")?.execute(at)?;
        if self.parts != 0 {
            tx.connection.prepare_cached("DELETE FROM process_parts WHERE plugin = ?1 AND number = ?2")?.execute(at)?;
        }
        if before != 0 {
            tx.connection
                .prepare_cached("DELETE FROM process_befores WHERE plugin = ?1 AND number = ?2")?
                .execute(at)?;
        }
        tx.state.has_processes(of, -1);
        tx.state.used(of, 0, 0, -(self.bytes + before));
        trim::begin(tx, Trim { plugin: self.plugin, number: self.number, below: i64::MAX, ended: true })
    }
}

/// What is known of a change before anything is written.
pub(super) struct Plan<'a> {
    change: &'a ProcessChange,
    head: Option<Head>,
    /// What the plugin has more: its record, what was before an upgrade and what is appended. What goes with the end of a
    /// process, or below its events, is counted when it goes.
    pub(super) bytes: i64,
    /// Of these, what the record has more.
    record: i64,
    handled: Vec<Going>,
    /// Whose mail is handled, and its bytes.
    pub(super) freed: Vec<(PluginName, i64)>,
}

impl<'a> Plan<'a> {
    /// Whose process it is.
    pub(super) const fn plugin(&self) -> &'a PluginName {
        &self.change.id.plugin
    }

    pub(super) fn of(tx: &Tx<'_>, change: &'a ProcessChange) -> Result<Self, Stop<CommitError>> {
        let head = Head::load(tx, &change.id)?;
        let seq = head.map_or(0, |head| number(head.seq));
        if seq != change.seq {
            return refuse(CommitError::Stale { seq });
        }
        let mut plan = Self { change, head, bytes: 0, record: 0, handled: Vec::new(), freed: Vec::new() };
        match (&change.record, &plan.head) {
            (RecordChange::Begin(new), None) => {
                if let Some(name) = &new.name {
                    name_is_free(tx, &change.id.plugin, name)?;
                }
                plan.record = size(new);
            }
            (RecordChange::Turn(turn), Some(head)) => {
                plan.record = turn.saved.as_ref().map_or(0, |saved| len(&saved.state) - head.state)
                    + turn.extra.as_ref().map_or(0, |extra| len(extra) - head.extra);
                plan.bytes = match &turn.before {
                    BeforeChange::Keep => 0,
                    BeforeChange::Put(saved) => len(&saved.state) + sql(EVENT_OVERHEAD) - head.before(tx)?,
                    BeforeChange::Clear => -head.before(tx)?,
                };
            }
            _ => {}
        }
        plan.bytes += plan.record + change.append.iter().map(|data| len(data) + sql(EVENT_OVERHEAD)).sum::<i64>();
        plan.find_handled(tx)?;
        Ok(plan)
    }

    fn find_handled(&mut self, tx: &Tx<'_>) -> Result<(), Stop<CommitError>> {
        let plugin = tx.state.plugin(&self.change.id.plugin).map(|plugin| plugin.id);
        for id in &self.change.handled {
            let known = self.handled.iter().any(|going| going.id == sql(id.0));
            let Some(going) = Going::find(tx, *id, Some(plugin.unwrap_or(0)))?.filter(|_| !known) else {
                return refuse(CommitError::Handled(*id));
            };
            if let Some(sender) = tx.state.plugin_named(going.sender) {
                self.freed.push((sender, going.bytes));
            }
            self.handled.push(going);
        }
        Ok(())
    }

    /// Writes it. What it counts for is counted already.
    pub(super) fn write(&self, tx: &mut Tx<'_>) -> rusqlite::Result<ProcessDone> {
        for going in &self.handled {
            going.delete(tx)?;
        }
        let change = self.change;
        let before = self.head.map_or(0, |head| head.last_event);
        let last_event = before + sql(change.append.len() as u64);
        // What is appended now is needed.
        let first_event = self.head.map_or(1, |head| head.first_event).max(sql(change.events_below).min(before + 1));
        let seq = sql(change.seq) + 1;
        let done = ProcessDone { seq: number(seq), last_event: number(last_event) };
        let plugin = tx.state.plugin_id(tx.connection, &change.id.plugin)?;
        match (&change.record, self.head) {
            (RecordChange::Begin(new), _) => self.begin(tx, new, plugin, last_event)?,
            (RecordChange::Turn(turn), Some(head)) => {
                self.turn(tx, turn, Head { seq, first_event, last_event, ..head })?;
            }
            (RecordChange::Quarantine(why), Some(head)) => {
                let why =
                    why.as_deref().map(|why| why.get(..why.floor_char_boundary(QUARANTINE_BYTES_MAX)).unwrap_or(""));
                tx.connection
                    .prepare_cached(
                        "UPDATE processes SET seq = ?3, first_event = ?4, last_event = ?5, quarantined = ?6
                         WHERE plugin = ?1 AND number = ?2",
                    )?
                    .execute(params![head.plugin, head.number, seq, first_event, last_event, why])?;
            }
            (RecordChange::End, Some(head)) => {
                head.delete(tx, &change.id.plugin)?;
                return Ok(done);
            }
            // A change of what is not there was refused.
            (_, None) => return Err(rusqlite::Error::InvalidQuery),
        }
        let number = change.id.number.cast_signed();
        let mut insert = tx
            .connection
            .prepare_cached("INSERT INTO process_events(plugin, number, id, data) VALUES (?1, ?2, ?3, ?4)")?;
        for (id, data) in (before + 1..).zip(&change.append) {
            insert.execute(params![plugin, number, id, &data[..]])?;
        }
        if self.head.is_some_and(|head| first_event > head.first_event) {
            trim::begin(tx, Trim { plugin, number, below: first_event, ended: false })?;
        }
        Ok(done)
    }

    fn begin(&self, tx: &mut Tx<'_>, new: &NewProcess, plugin: i64, last_event: i64) -> rusqlite::Result<()> {
        let number = self.change.id.number.cast_signed();
        let state = new.saved.as_ref().map(|saved| &saved.state[..]);
        let mut parts = 0;
        for (part, data) in
            [(Part::Args, &new.args[..]), (Part::Extra, &new.extra), (Part::State, state.unwrap_or_default())]
        {
            if part::inline(data).is_none() {
                part::write(tx.connection, plugin, number, part, data)?;
                parts |= part.bit();
            }
        }
        tx.connection
            .prepare_cached(
                "INSERT INTO processes(plugin, number, seq, bytes, first_event, last_event, wake_at, kind, name, version,
                   parts, args, extra, state) VALUES (?1, ?2, 1, ?3, 1, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            )?
            .execute(params![
                plugin,
                number,
                self.record,
                last_event,
                new.wake_at.map(sql),
                new.kind.as_str(),
                new.name,
                new.saved.as_ref().map(|saved| saved.version),
                parts,
                part::inline(&new.args).filter(|args| !args.is_empty()),
                part::inline(&new.extra).filter(|extra| !extra.is_empty()),
                state.and_then(part::inline),
            ])?;
        tx.state.has_processes(&self.change.id.plugin, 1);
        Ok(())
    }

    /// `head` is what it becomes, but for what the turn says.
    fn turn(&self, tx: &Tx<'_>, turn: &ProcessTurn, head: Head) -> rusqlite::Result<()> {
        let state = turn.saved.as_ref().map(|saved| &saved.state);
        let mut parts = head.parts;
        for (part, data) in [(Part::Extra, turn.extra.as_ref()), (Part::State, state)] {
            let Some(data) = data else { continue };
            if part::inline(data).is_none() {
                part::write(tx.connection, head.plugin, head.number, part, data)?;
                parts |= part.bit();
            } else if parts & part.bit() != 0 {
                part::delete(tx.connection, head.plugin, head.number, part)?;
                parts &= !part.bit();
            }
        }
        let wake_at = turn.wake_at.map(sql);
        macro_rules! update {
            ($wake:literal) => {
                concat!(
                    "UPDATE processes SET seq = ?3, bytes = ?4, first_event = ?5, last_event = ?6, parts = ?7,
                       version = iif(?8, ?9, version), state = iif(?8, ?10, state), extra = iif(?11, ?12, extra)",
                    $wake,
                    " WHERE plugin = ?1 AND number = ?2"
                )
            };
        }
        // A column that is named is taken for changed, and its index for one to be written.
        let moved = wake_at != head.wake_at || head.quarantined;
        let update = match (head.quarantined, moved) {
            (true, _) => update!(", wake_at = ?13, quarantined = NULL"),
            (false, true) => update!(", wake_at = ?13"),
            (false, false) => update!(""),
        };
        let mut update = tx.connection.prepare_cached(update)?;
        let params = params![
            head.plugin,
            head.number,
            head.seq,
            head.bytes + self.record,
            head.first_event,
            head.last_event,
            parts,
            turn.saved.is_some(),
            turn.saved.as_ref().map(|saved| saved.version),
            state.and_then(|state| part::inline(state)),
            turn.extra.is_some(),
            turn.extra.as_ref().and_then(|extra| part::inline(extra)).filter(|extra| !extra.is_empty()),
            wake_at,
        ];
        update.execute(if moved { params } else { params.split_last().map_or(params, |(_, first)| first) })?;
        let at = [head.plugin, head.number];
        match &turn.before {
            BeforeChange::Keep => {}
            BeforeChange::Put(saved) => {
                tx.connection
                    .prepare_cached(
                        "INSERT OR REPLACE INTO process_befores(plugin, number, version, state) VALUES (?1, ?2, ?3, ?4)",
                    )?
                    .execute(params![head.plugin, head.number, saved.version, &saved.state[..]])?;
            }
            BeforeChange::Clear => {
                tx.connection
                    .prepare_cached("DELETE FROM process_befores WHERE plugin = ?1 AND number = ?2")?
                    .execute(at)?;
            }
        }
        Ok(())
    }
}

fn size(new: &NewProcess) -> i64 {
    let name = new.name.as_ref().map_or(0, |name| len(name.as_bytes()));
    let state = new.saved.as_ref().map_or(0, |saved| len(&saved.state));
    sql(PROCESS_OVERHEAD) + name + len(&new.args) + len(&new.extra) + state
}

fn name_is_free(tx: &Tx<'_>, of: &PluginName, name: &str) -> Result<(), Stop<CommitError>> {
    let Some(plugin) = tx.state.plugin(of) else { return Ok(()) };
    let taken: Option<i64> = tx
        .connection
        .prepare_cached("SELECT number FROM processes INDEXED BY processes_named WHERE plugin = ?1 AND name = ?2")?
        .query_row(params![plugin.id, name], |row| row.get(0))
        .optional()?;
    match taken {
        Some(number) => {
            refuse(CommitError::NameTaken(ProcessId { plugin: of.clone(), number: number.cast_unsigned() }))
        }
        None => Ok(()),
    }
}

/// Deletes a process, whoever has it.
pub(in crate::sqlite) fn remove(id: &ProcessId, tx: &mut Tx<'_>) -> Result<bool, Stop<Error>> {
    let Some(head) = Head::load(tx, id)? else { return Ok(false) };
    head.delete(tx, &id.plugin)?;
    Ok(true)
}

/// Deletes what states of a plugin's processes were before an upgrade.
pub(in crate::sqlite) fn settle_upgrade(of: &PluginName, tx: &mut Tx<'_>) -> Result<u64, Stop<Error>> {
    let Some(plugin) = tx.state.plugin(of).map(|plugin| plugin.id) else { return Ok(0) };
    let step = sql(crate::sqlite::operation::STEP_ROWS as u64);
    let rows: Vec<(i64, i64)> = tx
        .connection
        .prepare_cached("SELECT number, length(state) FROM process_befores WHERE plugin = ?1 LIMIT ?2")?
        .query_map([plugin, step], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (number, state) in &rows {
        tx.connection
            .prepare_cached("DELETE FROM process_befores WHERE plugin = ?1 AND number = ?2")?
            .execute([plugin, *number])?;
        tx.state.used(of, 0, 0, -(state + sql(EVENT_OVERHEAD)));
    }
    Ok(rows.len() as u64)
}
