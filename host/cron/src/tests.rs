//! Against brute force by minute.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use proptest::prelude::*;

use super::*;

const MINUTE: u64 = 60_000;

fn ms(text: &str) -> u64 {
    u64::try_from(text.parse::<jiff::Timestamp>().unwrap().as_millisecond()).unwrap()
}

fn shown(ms: u64) -> String {
    jiff::Timestamp::from_millisecond(i64::try_from(ms).unwrap()).unwrap().to_string()
}

fn after(expression: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
    let cron = Cron::new(expression, Some(zone)).unwrap();
    let mut at = ms(from);
    let ticks = std::iter::from_fn(|| {
        at = cron.next_after(at)?;
        Some(shown(at))
    });
    ticks.take(count).collect()
}

#[test]
fn a_time_that_is_left_out_is_taken_when_the_gap_ends() {
    // In Berlin 02:00 became 03:00 at 01:00 UTC on the 30th of March.
    let berlin = after("30 2 * * *", "Europe/Berlin", "2025-03-28T12:00:00Z", 3);
    assert_eq!(berlin, ["2025-03-29T01:30:00Z", "2025-03-30T01:00:00Z", "2025-03-31T00:30:00Z"]);
    // Several of them are one tick.
    let several = after("*/20 2 * * *", "Europe/Berlin", "2025-03-30T00:00:00Z", 2);
    assert_eq!(several, ["2025-03-30T01:00:00Z", "2025-03-31T00:00:00Z"]);
    // A list of hours counts as well.
    let list = after("30 2,14 * * *", "Europe/Berlin", "2025-03-30T00:00:00Z", 2);
    assert_eq!(list, ["2025-03-30T01:00:00Z", "2025-03-30T12:30:00Z"]);
    // A day that begins at 01:00.
    let cairo = after("@daily", "Africa/Cairo", "2025-04-24T00:00:00Z", 2);
    assert_eq!(cairo, ["2025-04-24T22:00:00Z", "2025-04-25T21:00:00Z"]);
    // A whole day: Samoa had no 30th of December 2011.
    let apia = after("0 12 * * *", "Pacific/Apia", "2011-12-29T00:00:00Z", 3);
    assert_eq!(apia, ["2011-12-29T22:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T22:00:00Z"]);
}

#[test]
fn a_time_that_comes_twice_is_taken_once() {
    // In Berlin 03:00 became 02:00 at 01:00 UTC on the 26th of October.
    let berlin = after("30 2 * * *", "Europe/Berlin", "2025-10-25T12:00:00Z", 2);
    assert_eq!(berlin, ["2025-10-26T00:30:00Z", "2025-10-27T01:30:00Z"]);
    let between = after("30 2 * * *", "Europe/Berlin", "2025-10-26T00:45:00Z", 1);
    assert_eq!(between, ["2025-10-27T01:30:00Z"]);
    let cron = Cron::new("50 2 * * *", Some("Europe/Berlin")).unwrap();
    assert_eq!(shown(cron.last_until(ms("2025-10-26T01:10:00Z")).unwrap()), "2025-10-26T00:50:00Z");
}

#[test]
fn what_happens_every_hour_goes_by_the_time_that_passes() {
    let autumn = after("30 * * * *", "Europe/Berlin", "2025-10-25T23:40:00Z", 3);
    assert_eq!(autumn, ["2025-10-26T00:30:00Z", "2025-10-26T01:30:00Z", "2025-10-26T02:30:00Z"]);
    let spring = after("@hourly", "Europe/Berlin", "2025-03-29T23:30:00Z", 3);
    assert_eq!(spring, ["2025-03-30T00:00:00Z", "2025-03-30T01:00:00Z", "2025-03-30T02:00:00Z"]);
}

#[test]
fn expressions_are_checked() {
    for good in ["* * * * *", "*/5 0-6,22 1,15 JAN-mar mon", " @Daily ", "0 0 29 2 *", "59 23 31 12 7", "0 0 31 * *"] {
        Cron::new(good, None).unwrap();
    }
    let bad = [
        "",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * 32 * *",
        "* * * 13 *",
        "* * * * 8",
        "@often",
        "@reboot",
        "L * * * *",
        "* * L * *",
        "* * * * 1#2",
        "* * 15W * *",
        "*/0 * * * *",
        "5-1 * * * *",
        "1- * * * *",
        "1,,2 * * * *",
        "-1 * * * *",
        "* * mon * *",
        "* * * mon *",
        "* * * * jan",
        "? * * * *",
        "99999999999 * * * *",
        "1-2-3 * * * *",
        "*/5/5 * * * *",
        "* * * * +1",
        "** * * * *",
        "*-5 * * * *",
        "5-* * * * *",
        "5/2 * * * *",
    ];
    for bad in bad {
        let refused = Cron::new(bad, None);
        assert!(
            matches!(refused, Err(CronError::Field { .. } | CronError::Fields(_) | CronError::Name)),
            "{bad}: {refused:?}"
        );
    }
    for never in [
        "0 0 30 2 *",
        "0 0 31 2,4,jun,9,11 *",
        "0 0 30,31 feb *",
        "0 0 31 2-6/2 *",
        "0 0 30-31/1 2-2 *",
        "0 0 31 feb-4/2 *",
    ] {
        assert_eq!(Cron::new(never, None), Err(CronError::Never), "{never}");
    }
    assert!(matches!(Cron::new("@daily", Some("Europe/Nowhere")), Err(CronError::Zone(_))));
    assert!(Cron::new(&"1,".repeat(2000), None).unwrap_err().to_string().len() < 200);
}

#[test]
fn the_rarest_day_is_found() {
    assert_eq!(after("0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", 1), ["2104-02-29T00:00:00Z"]);
    assert_eq!(after("0 0 * * 0", "UTC", "2025-01-01T00:00:00Z", 1), ["2025-01-05T00:00:00Z"]);
    assert_eq!(after("0 0 * * 7", "UTC", "2025-01-01T00:00:00Z", 1), ["2025-01-05T00:00:00Z"]);
}

/// One field: how it is written, and what it allows.
fn field(least: u8, most: u8) -> impl Strategy<Value = (String, Vec<u8>)> {
    let item = (least..=most, least..=most, 1u8..8, 0u8..4).prop_map(move |(a, b, step, kind)| {
        let (from, to) = (a.min(b), a.max(b));
        match kind {
            0 => (a.to_string(), vec![a]),
            1 => (format!("{from}-{to}"), (from..=to).collect()),
            2 => (format!("{from}-{to}/{step}"), (from..=to).step_by(step.into()).collect()),
            _ => (format!("*/{step}"), (least..=most).step_by(step.into()).collect()),
        }
    });
    let list = proptest::collection::vec(item, 1..3).prop_map(|items| {
        let (texts, allowed): (Vec<_>, Vec<_>) = items.into_iter().unzip();
        (texts.join(","), allowed.concat())
    });
    prop_oneof![2 => Just(("*".to_owned(), (least..=most).collect())), 3 => list]
}

#[derive(Clone, Debug)]
struct Model {
    fields: [(String, Vec<u8>); 5],
    zone: &'static str,
}

impl Model {
    fn text(&self) -> String {
        self.fields.each_ref().map(|(text, _)| text.clone()).join(" ")
    }

    fn names(&self, local: DateTime) -> bool {
        let [minute, hour, day, month, weekday] = &self.fields;
        let has = |field: &(String, Vec<u8>), value: i8| field.1.contains(&u8::try_from(value).unwrap());
        let today = local.weekday().to_sunday_zero_offset();
        let (day_named, weekday_named) = (has(day, local.day()), has(weekday, today) || today == 0 && has(weekday, 7));
        let days =
            if day.0 != "*" && weekday.0 != "*" { day_named || weekday_named } else { day_named && weekday_named };
        days && has(minute, local.minute()) && has(hour, local.hour()) && has(month, local.month())
    }

    /// All ticks of these minutes: each minute is looked at, and at the end of a gap each local minute that was left out.
    fn ticks(&self, from: u64, minutes: u64) -> Vec<u64> {
        let zone = TimeZone::get(self.zone).unwrap();
        let every_hour = matches!(self.fields[1].0.as_str(), "*" | "*/1" | "0-23");
        let tick = |at: u64| {
            let now = zone::moment(at).unwrap();
            let local = zone.to_datetime(now);
            if every_hour {
                return self.names(local);
            }
            let second = match zone.to_ambiguous_timestamp(local).offset() {
                AmbiguousOffset::Fold { after, .. } => zone.to_offset(now) == after,
                _ => false,
            };
            let before = zone::moment(at - MINUTE).unwrap();
            let jump = local.duration_since(zone.to_datetime(before)).as_mins() - 1;
            let left_out = (1..=jump.max(0))
                .any(|back| self.names(local.checked_sub(jiff::SignedDuration::from_mins(back)).unwrap()));
            !second && self.names(local) || left_out
        };
        (0..minutes).map(|minute| from + minute * MINUTE).filter(|at| tick(*at)).collect()
    }
}

fn model() -> impl Strategy<Value = Model> {
    let zones = prop_oneof![
        Just("UTC"),
        Just("Europe/Berlin"),
        Just("America/New_York"),
        Just("Australia/Lord_Howe"),
        Just("Africa/Cairo"),
        Just("Asia/Kolkata"),
        Just("Pacific/Apia"),
    ];
    let fields = (field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 7));
    (fields, zones).prop_map(|((a, b, c, d, e), zone)| Model { fields: [a, b, c, d, e], zone })
}

/// Days around which something happens to a clock, and some where nothing does.
fn day() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just("2025-03-29"),
        Just("2025-10-25"),
        Just("2025-03-08"),
        Just("2025-11-01"),
        Just("2025-04-05"),
        Just("2025-10-04"),
        Just("2025-04-24"),
        Just("2025-10-30"),
        Just("2011-12-29"),
        Just("2024-02-28"),
        Just("2025-12-31"),
        Just("2025-07-15"),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn ticks_are_those_of_brute_force(model in model(), day in day(), offset in 0u64..MINUTE) {
        let Ok(cron) = Cron::new(&model.text(), Some(model.zone)) else {
            // Only where there is no such day.
            let day = |day: u8| (1..=12u8).any(|m| model.fields[3].1.contains(&m) && day <= [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][usize::from(m) - 1]);
            prop_assert!(!model.fields[2].1.iter().any(|d| day(*d)), "{}", model.text());
            return Ok(());
        };
        let (from, minutes) = (ms(&format!("{day}T00:00:00Z")), 3 * 24 * 60);
        let expected = model.ticks(from, minutes);
        let end = from + minutes * MINUTE;
        let forward = std::iter::successors(cron.next_after(from - 1), |at| cron.next_after(*at));
        prop_assert_eq!(forward.take_while(|at| *at < end).collect::<Vec<_>>(), expected.clone(), "{}", model.text());
        let backward = std::iter::successors(cron.last_until(end - 1), |at| cron.last_until(*at - 1));
        let mut backward: Vec<_> = backward.take_while(|at| *at >= from).collect();
        backward.reverse();
        prop_assert_eq!(backward, expected.clone(), "{}", model.text());
        // Between minutes too.
        for at in (from..end).step_by(7 * 3_600_000).map(|at| at + offset) {
            if let Some(tick) = expected.iter().find(|tick| **tick > at) {
                prop_assert_eq!(cron.next_after(at), Some(*tick));
            }
            if let Some(tick) = expected.iter().rev().find(|tick| **tick <= at) {
                prop_assert_eq!(cron.last_until(at), Some(*tick));
            }
        }
    }
}
