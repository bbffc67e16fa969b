//! What becomes of the process whose turn a commit is.

mod trim;

use bytes::Bytes;
use skep_types::PluginName;

pub(in crate::postgres) use self::trim::GO_ON;
use super::commit::AllUses;
use crate::error::{CommitError, Error};
use crate::limits::{EVENT_OVERHEAD, PROCESS_OVERHEAD, QUARANTINE_BYTES_MAX};
use crate::number::{len, number, sql};
use crate::postgres::counts::Uses;
use crate::postgres::fault::{Missing, Stop, broken, refuse};
use crate::postgres::operation::STEP_ROWS;
use crate::postgres::rows::processes::Place;
use crate::postgres::rows::processes::records::{Begun, Data, Record};
use crate::postgres::rows::processes::trims::Trim;
use crate::postgres::tx::{Tx, Wants};
use crate::postgres::verb::Verb;
use crate::process::{BeforeChange, NewProcess, ProcessChange, ProcessDone, ProcessId, ProcessTurn, RecordChange};

fn place(plugin: i64, id: &ProcessId) -> Place {
    (plugin, id.number.cast_signed())
}

pub(super) fn want(change: &ProcessChange, wants: &mut Wants<'_>) {
    wants.quota(&change.id.plugin);
    for id in &change.handled {
        wants.rows.mail.want(sql(id.0));
    }
    let Some(plugin) = wants.plugin(&change.id.plugin) else { return };
    let place = place(plugin, &change.id);
    wants.rows.processes.records.want(place);
    match &change.record {
        RecordChange::Begin(new) => {
            if let Some(name) = &new.name {
                wants.rows.processes.names.want((plugin, name.clone()));
            }
        }
        RecordChange::End => wants.rows.mail.want_to(place),
        RecordChange::Turn(_) | RecordChange::Quarantine(_) => {}
    }
}

/// What is known of a change before anything is written.
pub(super) struct Plan<'a> {
    change: &'a ProcessChange,
    place: Place,
    record: Option<Record>,
}

/// Decides whether the change can be made, and takes what it handles. What it counts for is added to `uses`; what goes with the
/// end of a process, or below its events, is counted when it goes.
pub(super) fn plan<'a, 't: 'a>(
    tx: &mut Tx<'t>,
    change: &'a ProcessChange,
    uses: &mut AllUses<'a>,
) -> Result<Plan<'a>, Stop<CommitError>> {
    let plugin = tx.plugin(&change.id.plugin)?;
    let place = place(plugin, &change.id);
    let record = tx.rows.processes.records.get(&place)?.cloned();
    let seq = record.as_ref().map_or(0, |record| number(record.seq));
    if seq != change.seq {
        return refuse(CommitError::Stale { seq });
    }
    let own = uses.entry(&change.id.plugin).or_default();
    own.bytes += change.append.iter().map(|data| len(data) + sql(EVENT_OVERHEAD)).sum::<i64>();
    match (&change.record, &record) {
        (RecordChange::Begin(new), None) => {
            if let Some(name) = &new.name
                && let Some(taken) = tx.rows.processes.names.get(&(plugin, name.clone()))?
            {
                let taken = ProcessId { plugin: change.id.plugin.clone(), number: taken.cast_unsigned() };
                // It is its own if another host began this process between the look at its record and the one at its name.
                let is_its_own = taken == change.id;
                return refuse(if is_its_own { CommitError::Stale { seq: 1 } } else { CommitError::NameTaken(taken) });
            }
            own.processes += 1;
            own.bytes += size(new);
        }
        (RecordChange::Turn(turn), Some(record)) => {
            own.bytes += grows(turn, record);
            own.bytes += match &turn.before {
                BeforeChange::Keep => 0,
                BeforeChange::Put(saved) => len(&saved.state) + sql(EVENT_OVERHEAD) - before(record),
                BeforeChange::Clear => -before(record),
            };
        }
        _ => {}
    }
    for id in &change.handled {
        // One that is handled twice is not there the second time.
        let found = tx.rows.mail.get(sql(id.0))?.filter(|mail| mail.plugin == plugin);
        let Some((sender, bytes)) = found.map(|mail| (mail.sender, mail.bytes)) else {
            return refuse(CommitError::Handled(*id));
        };
        let Some(sender) = tx.names.plugin_name(sender) else { return refuse(broken("mail of nobody")) };
        uses.entry(sender).or_default().bytes -= bytes;
        tx.rows.mail.delete(sql(id.0));
    }
    Ok(Plan { change, place, record })
}

fn size(new: &NewProcess) -> i64 {
    let name = new.name.as_ref().map_or(0, |name| len(name.as_bytes()));
    let state = new.saved.as_ref().map_or(0, |saved| len(&saved.state));
    sql(PROCESS_OVERHEAD) + name + len(&new.args) + len(&new.extra) + state
}

/// What the record has more after a turn.
fn grows(turn: &ProcessTurn, record: &Record) -> i64 {
    turn.saved.as_ref().map_or(0, |saved| len(&saved.state) - record.state.len())
        + turn.extra.as_ref().map_or(0, |extra| len(extra) - record.extra.len())
}

/// What its state before an upgrade counts for.
fn before(record: &Record) -> i64 {
    record.before.as_ref().map_or(0, |(_, state)| state.len() + sql(EVENT_OVERHEAD))
}

/// Makes it. What it counts for is counted already.
pub(super) fn write(tx: &mut Tx<'_>, plan: Plan<'_>) -> Result<ProcessDone, Stop<CommitError>> {
    let Plan { change, place, record } = plan;
    let first = record.as_ref().map_or(1, |record| record.first_event);
    let last = record.as_ref().map_or(0, |record| record.last_event);
    let mut record = match (&change.record, record) {
        (RecordChange::End, Some(record)) => {
            delete(tx, place, &record)?;
            return Ok(ProcessDone { seq: change.seq + 1, last_event: number(last) });
        }
        (RecordChange::Begin(new), _) => {
            if let Some(name) = &new.name {
                tx.rows.processes.names.put((place.0, name.clone()), Some(place.1));
            }
            begin(new)
        }
        (RecordChange::Turn(turn), Some(record)) => after(turn, record),
        (RecordChange::Quarantine(why), Some(record)) => {
            let why = why.as_deref().map(|why| why.get(..why.floor_char_boundary(QUARANTINE_BYTES_MAX)).unwrap_or(""));
            Record { quarantined: why.map(|why| Bytes::copy_from_slice(why.as_bytes())), ..record }
        }
        (_, None) => return refuse(broken("a change of a process that is not there")),
    };
    record.seq = sql(change.seq) + 1;
    record.host = tx.host;
    // What is appended now is needed.
    record.first_event = first.max(sql(change.events_below).min(last + 1));
    for (id, data) in (last + 1..).zip(&change.append) {
        tx.rows.processes.events.append(place, id, data.clone());
        record.last_event = id;
    }
    let done = ProcessDone { seq: number(record.seq), last_event: number(record.last_event) };
    if record.first_event > first {
        trim::begin(tx, place, Trim { first, below: record.first_event, ended: false })?;
    }
    tx.rows.processes.records.put(place, Some(record));
    Ok(done)
}

fn begin(new: &NewProcess) -> Record {
    Record {
        seq: 0,
        bytes: size(new),
        first_event: 1,
        last_event: 0,
        wake_at: new.wake_at.map(sql),
        name: new.name.clone(),
        quarantined: None,
        version: new.saved.as_ref().map(|saved| saved.version.into()),
        extra: Data::New(new.extra.clone()),
        state: new.saved.as_ref().map_or(Data::Kept(0), |saved| Data::New(saved.state.clone())),
        before: None,
        host: 0,
        begun: Some(Begun { kind: new.kind.to_string(), args: new.args.clone() }),
    }
}

fn after(turn: &ProcessTurn, mut record: Record) -> Record {
    record.bytes += grows(turn, &record);
    record.wake_at = turn.wake_at.map(sql);
    record.quarantined = None;
    if let Some(saved) = &turn.saved {
        record.version = Some(saved.version.into());
        record.state = Data::New(saved.state.clone());
    }
    if let Some(extra) = &turn.extra {
        record.extra = Data::New(extra.clone());
    }
    match &turn.before {
        BeforeChange::Keep => {}
        BeforeChange::Put(saved) => record.before = Some((saved.version.into(), Data::New(saved.state.clone()))),
        BeforeChange::Clear => record.before = None,
    }
    record
}

/// Deletes the record. Its events and its mail go with it, or behind it.
fn delete(tx: &mut Tx<'_>, place: Place, record: &Record) -> Result<(), Missing> {
    tx.rows.processes.records.put(place, None);
    if let Some(name) = &record.name {
        tx.rows.processes.names.put((place.0, name.clone()), None);
    }
    tx.uses(place.0, Uses { processes: -1, bytes: -(record.bytes + before(record)), ..Uses::default() });
    let trim = Trim { first: record.first_event, below: record.last_event + 1, ended: true };
    trim::begin(tx, place, trim)
}

/// Deletes a process, whoever has it.
pub(in crate::postgres) const REMOVE: Verb<ProcessId, bool, Error> = Verb { want: want_gone, run: remove };

fn want_gone(id: &ProcessId, wants: &mut Wants<'_>) {
    if let Some(plugin) = wants.plugin(&id.plugin) {
        wants.rows.processes.records.want(place(plugin, id));
        wants.rows.mail.want_to(place(plugin, id));
    }
}

fn remove(id: &ProcessId, tx: &mut Tx<'_>) -> Result<bool, Stop<Error>> {
    let place = place(tx.plugin(&id.plugin)?, id);
    let Some(record) = tx.rows.processes.records.get(&place)?.cloned() else { return Ok(false) };
    delete(tx, place, &record)?;
    Ok(true)
}

/// Deletes what states of a plugin's processes were before an upgrade.
pub(in crate::postgres) const SETTLE_UPGRADE: Verb<PluginName, u64, Error> =
    Verb { want: want_upgraded, run: settle_upgrade };

fn want_upgraded(of: &PluginName, wants: &mut Wants<'_>) {
    if let Some(plugin) = wants.plugin(of) {
        wants.rows.processes.records.want_upgraded(plugin, STEP_ROWS);
    }
}

fn settle_upgrade(of: &PluginName, tx: &mut Tx<'_>) -> Result<u64, Stop<Error>> {
    let plugin = tx.plugin(of)?;
    let Some(found) = tx.rows.processes.records.upgraded(plugin).cloned() else {
        tx.rows.processes.records.want_upgraded(plugin, STEP_ROWS);
        return Err(Stop::Missing);
    };
    let mut settled = 0;
    for place in found {
        // Another write of the group may have changed it.
        let record = tx.rows.processes.records.get(&place)?.filter(|record| record.before.is_some()).cloned();
        let Some(record) = record else { continue };
        tx.uses(plugin, Uses { bytes: -before(&record), ..Uses::default() });
        tx.rows.processes.records.put(place, Some(Record { before: None, ..record }));
        settled += 1;
    }
    Ok(settled)
}
