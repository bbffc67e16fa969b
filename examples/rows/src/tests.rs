use std::time::Duration;

use skep_sdk::test;

use super::*;
use crate::{driver::Driver, row::Row};

const SECOND: Duration = Duration::from_secs(1);

fn stats() -> Stats {
    test::get("/stats").send(app).json()
}

/// Starts the driver, as the manifest would: 40 rows of 3, 20 at a time, a tick each second, a look every 2 s.
fn begin() {
    process::start::<Driver>("driver", &()).unwrap();
    test::advance(Duration::ZERO);
}

fn passes(seconds: u32) -> Stats {
    (0..seconds).for_each(|_| test::advance(SECOND));
    stats()
}

#[test]
fn so_many_are_at_work_until_all_rows_are_at_zero_and_then_again() {
    begin();
    let stats = passes(0);
    assert_eq!((stats.rows_left, stats.at_work, stats.ticks, stats.rounds), (40, 20, 0, 0));
    let stats = passes(2);
    assert_eq!((stats.rows_left, stats.at_work, stats.ticks), (40, 20, 40));
    // The first 20 are at zero after 3 s, the others begin at 4 s.
    let stats = passes(1);
    assert_eq!((stats.rows_left, stats.at_work, stats.ticks), (20, 0, 60));
    assert_eq!(passes(1).at_work, 20);
    assert_eq!(table::numbers(19..21).unwrap(), [0, 3]);
    let stats = passes(3);
    assert_eq!((stats.rows_left, stats.at_work, stats.ticks, stats.rounds), (0, 0, 120, 1));
    let stats = passes(1);
    assert_eq!((stats.rows_left, stats.at_work, stats.ticks, stats.rounds), (40, 20, 120, 1));
}

#[test]
fn a_tick_is_a_commit_that_sees_the_row_as_it_is() {
    table::fill(1, 2).unwrap();
    let row = table::key(0);
    let before = store::get_item::<u32>(&row).unwrap().unwrap();
    assert_eq!(table::tick(&row).unwrap(), 1);
    // The commit of somebody who read it before.
    assert!(store::atomic().check(&before).set(&row, &1).commit().unwrap_err().is_conflict());
    assert_eq!((table::tick(&row).unwrap(), table::tick(&row).unwrap()), (0, 0));
    assert_eq!((table::left().unwrap(), table::ticks().unwrap()), (0, 2));
}

#[test]
fn a_crash_loses_nothing_but_the_time() {
    begin();
    passes(1);
    for row in 0..5 {
        test::process::<Row>(table::key(row)).crash("power cut");
    }
    // One that does not start again: its row is found when nobody is at work any more.
    test::process_kind::<Row>().temporary();
    test::process::<Row>(table::key(7)).crash("power cut");
    let stats = passes(12);
    assert_eq!((stats.rounds, stats.ticks >= 120), (1, true), "{stats:?}");
    assert_eq!(stats.ticks + i64::from(table::numbers(0..40).unwrap().iter().sum::<u32>()), 240);
}

#[test]
fn who_starts_anew_goes_on_where_the_rows_are() {
    begin();
    passes(3);
    test::process::<Driver>("driver").crash("power cut");
    // It looks at once, and passes by the rows that are at zero.
    let stats = passes(3);
    assert_eq!((stats.rows_left, stats.ticks, stats.rounds), (0, 120, 1));
}
