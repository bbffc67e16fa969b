//! Events that are not needed any more, and the mail of processes that ended.
//!
//! There may be many of them: what is over a bound is written down, and deleted behind other writes. Until then it is not to be
//! seen: events are read from the record's `first_event` on, and nobody asks for mail to a number that is never given again.

use super::super::mail;
use crate::error::Error;
use crate::number::sql;
use crate::postgres::counts::Uses;
use crate::postgres::fault::{Missing, Stop};
use crate::postgres::rows::processes::Place;
use crate::postgres::rows::processes::trims::Trim;
use crate::postgres::tx::{Tx, Wants};
use crate::postgres::verb::Verb;

/// How many events are deleted in one transaction: a process with a long past must not keep others from writing. As much mail
/// is looked at, see [`rows::mail`](crate::postgres::rows::mail).
const STEP: i64 = 5_000;
/// How many that were left are looked at in one transaction.
const LEFT_MAX: u64 = 100;

/// Deletes what can be deleted now, and writes the rest down.
pub(super) fn begin(tx: &mut Tx<'_>, place: Place, mut trim: Trim) -> Result<(), Missing> {
    // Behind what is left from before, so that each transaction has a bound.
    let steps = if tx.effects.unresolved { 0 } else { STEP };
    if carry_out(tx, place, &mut trim, steps)? {
        return Ok(());
    }
    tx.effects.unresolved = true;
    if let Some(left) = tx.rows.processes.trims.get(&place)? {
        trim.first = trim.first.min(left.first);
        trim.below = trim.below.max(left.below);
        trim.ended |= left.ended;
    }
    tx.rows.processes.trims.put(place, Some(trim));
    Ok(())
}

/// Goes on with events and mail that wait to be deleted.
pub(in crate::postgres) const GO_ON: Verb<(), (), Error> =
    Verb { want: |(), wants: &mut Wants<'_>| wants.rows.processes.trims.want_left(sql(LEFT_MAX)), run: go_on };

fn go_on((): &(), tx: &mut Tx<'_>) -> Result<(), Stop<Error>> {
    let left = tx.rows.processes.trims.left.clone();
    let mut more = left.len() as u64 >= LEFT_MAX;
    // The mail of all of them is loaded at once.
    for place in &left {
        if tx.rows.processes.trims.get(place)?.is_some_and(|trim| trim.ended) {
            tx.rows.mail.want_to(*place);
        }
    }
    for place in left {
        let Some(mut trim) = tx.rows.processes.trims.get(&place)? else { continue };
        let done = carry_out(tx, place, &mut trim, STEP)?;
        tx.rows.processes.trims.put(place, (!done).then_some(trim));
        more |= !done;
    }
    tx.effects.unresolved |= more;
    Ok(())
}

/// Deletes events as long as the group has not deleted so many, and the mail that is loaded. Answers whether that was all; if
/// not, `trim` says what is left.
fn carry_out(tx: &mut Tx<'_>, place: Place, trim: &mut Trim, steps: i64) -> Result<bool, Missing> {
    let steps = (steps - tx.rows.processes.events.cut_rows()).max(0);
    let behind = trim.below.min(trim.first.saturating_add(steps));
    if trim.first < behind {
        let bytes = tx.rows.processes.events.cut(place, trim.first, behind);
        tx.uses(place.0, Uses { bytes: -bytes, ..Uses::default() });
        trim.first = behind;
    }
    if trim.first < trim.below {
        return Ok(false);
    }
    if !trim.ended {
        return Ok(true);
    }
    let (mail, all) = tx.rows.mail.to(place)?;
    for id in mail {
        mail::remove(tx, id)?;
    }
    Ok(all)
}
