//! What is left of what hosts were answered, and what it has to be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use skep_store::{Caps, Changes, LeaseRequest, Observer, ProcessStore, Settle, Settled};
use skep_test_postgres::Server;

use crate::child::{COUNTERS, at_last, now, open_at_last, options, queue};
use crate::said::Said;
use crate::turns::PROCESSES;

#[derive(Default)]
struct Listener(Mutex<Vec<String>>);

impl Observer for Listener {
    fn changed(&self, changes: Changes) {
        let texts = changes.publishes.iter().map(|publish| String::from_utf8(publish.data.to_vec()).unwrap());
        self.0.lock().extend(texts);
    }
}

/// Opens the database as one more host, does what the dead ones have left, and looks at all of it.
pub(crate) async fn at(server: &Server, url: &str, said: &mut Said) -> Result<(), String> {
    if let Some(wrong) = said.wrong.first() {
        return Err(format!("{} answers that cannot be, as {wrong}", said.wrong.len()));
    }
    let listener = Arc::new(Listener::default());
    let store = open_at_last(options(url), Arc::clone(&listener) as Arc<_>).await;
    let rows = |select: &str| {
        let text = server.ask(url, &format!("SET search_path = skep; {select}"));
        text.lines().map(|line| line.split('|').map(str::to_owned).collect()).collect::<Vec<Vec<String>>>()
    };
    finish(&store, &rows, said).await?;
    said.heard.extend(listener.0.lock().drain(..));
    steps(&rows, said)?;
    jobs(&rows, said)?;
    processes(&rows, said)?;
    counts(&store, &rows).await?;
    at_last(|| store.close()).await;
    Ok(())
}

type Rows<'a> = &'a dyn Fn(&str) -> Vec<Vec<String>>;

/// What dead hosts had on lease is done by this one, and what they did not tell it tells.
async fn finish(store: &Arc<dyn ProcessStore>, rows: Rows<'_>, said: &mut Said) -> Result<(), String> {
    let mut held = Vec::new();
    for _ in 0..3_000 {
        let idle = held.is_empty();
        let settle = |(id, fence)| Settle { id, fence, now: now(), as_: Settled::Completed { output: None } };
        let settles: Vec<_> = held.drain(..).map(settle).collect();
        let ids: Vec<_> = settles.iter().map(|settle| (settle.id, settle.fence)).collect();
        let lease = LeaseRequest {
            queue: queue(),
            limit: 500,
            worker: "look".to_owned(),
            now: now(),
            until: now() + 60_000,
            caps: Caps::default(),
        };
        let (settled, leased) =
            store.settle_and_lease(settles, Some(lease)).await.map_err(|error| error.to_string())?;
        for ((id, fence), settled) in ids.into_iter().zip(settled) {
            settled.map_err(|lost| format!("{lost:?} to nobody"))?;
            if said.done.insert(id.0, fence.0).is_some() {
                return Err(format!("job {id} was done twice"));
            }
        }
        for job in leased.jobs {
            let fence = job.lease.unwrap().fence;
            if said.begun.entry(job.id.0).or_default().insert(fence.0, now()).is_some() {
                return Err(format!("job {} was leased under one fence twice", job.id));
            }
            held.push((job.id, fence));
        }
        said.reclaimed += at_last(|| store.reclaim(now(), 1_000)).await.0.len();
        at_last(|| store.stage(now(), 1_000)).await;
        let left = "SELECT (SELECT count(*) FROM outbox), (SELECT count(*) FROM process_trims),
                    (SELECT count(*) FROM ending), (SELECT count(*) FROM jobs WHERE state < 5)";
        if idle && held.is_empty() {
            if rows(left) == [["0", "0", "0", "0"]] {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    Err("there is always something left to do: messages, trims, ends or jobs".to_owned())
}

/// All effects of a commit, or none.
fn steps(rows: Rows<'_>, said: &Said) -> Result<(), String> {
    let (mut counters, mut steps) = (BTreeMap::new(), BTreeSet::new());
    for row in rows("SELECT convert_from(key, 'UTF8'), rtrim(convert_from(value, 'UTF8')) FROM items") {
        match row[0].trim_start_matches(|c: char| c.is_control()).split_once(':').unwrap() {
            ("counter", counter) => _ = counters.insert(counter.parse::<usize>().unwrap(), row[1].parse().unwrap()),
            (_, place) if row[1].starts_with(&format!("{place}@")) => _ = steps.insert(row[1].clone()),
            (_, place) => return Err(format!("at step {place} is {}", row[1])),
        }
    }
    if let Some(lost) = said.steps.difference(&steps).next() {
        return Err(format!("step {lost} was answered and is not there"));
    }
    if let Some(ghost) = said.no_steps.intersection(&steps).next() {
        return Err(format!("step {ghost} was refused, or was not there when somebody looked, and is there"));
    }
    // Check and set: a counter stands at the number of its steps, and none is missing.
    for counter in 0..COUNTERS {
        let count: u64 = counters.get(&counter).copied().unwrap_or(0);
        let found = steps.iter().filter(|step| step.starts_with(&format!("{counter}/"))).count() as u64;
        let all = (1..=count).all(|step| {
            let place = format!("{counter}/{step}@");
            steps.range(place.clone()..).next().is_some_and(|step| step.starts_with(&place))
        });
        if found != count || !all {
            return Err(format!("counter {counter} stands at {count}, but there are {found} steps"));
        }
    }
    let jobs: Vec<_> = rows("SELECT convert_from(args, 'UTF8') FROM jobs WHERE args NOT LIKE '% %' ORDER BY args");
    if !steps.iter().eq(jobs.iter().map(|job| &job[0])) {
        return Err("there are jobs without their items, or the other way round, or twice".to_owned());
    }
    // A message is told at least once, by whoever.
    if steps != said.heard {
        let odd: Vec<_> = steps.symmetric_difference(&said.heard).take(3).collect();
        return Err(format!("messages without their items, or the other way round: {odd:?}"));
    }
    Ok(())
}

/// Every job was done, once, under the last of its fences.
fn jobs(rows: Rows<'_>, said: &Said) -> Result<(), String> {
    let (mut texts, mut states) = (BTreeSet::new(), BTreeMap::new());
    for row in rows("SELECT id, state, convert_from(args, 'UTF8') FROM jobs") {
        if !texts.insert(row[2].clone()) {
            return Err(format!("the job {} is there twice", row[2]));
        }
        states.insert(row[0].parse::<u64>().unwrap(), row[1].parse::<u64>().unwrap());
    }
    if let Some(lost) = said.once.iter().chain(&said.ticks).find(|text| !texts.contains(*text)) {
        return Err(format!("{lost} was answered and is not there"));
    }
    if let Some((id, state)) = states.iter().find(|(_, state)| **state != 5) {
        return Err(format!("job {id} has state {state}"));
    }
    for (id, fence) in &said.done {
        let last = said.begun.get(id).and_then(|fences| fences.last_key_value());
        if !states.contains_key(id) || last.map(|(fence, _)| fence) != Some(fence) {
            return Err(format!("job {id} was done under fence {fence}, and begun under {last:?}"));
        }
    }
    Ok(())
}

/// Every letter is there once: handled, or still to be.
fn processes(rows: Rows<'_>, said: &mut Said) -> Result<(), String> {
    let mut letters: BTreeSet<String> = BTreeSet::new();
    let select = format!(
        "SELECT number, seq, first_event, last_event, coalesce(rtrim(convert_from(state, 'UTF8')), ''),
           (SELECT string_agg(id || '=' || convert_from(data, 'UTF8'), ' ' ORDER BY id) FROM process_events AS events
            WHERE events.plugin = processes.plugin AND events.number = processes.number)
         FROM processes WHERE number BETWEEN 0 AND {}",
        PROCESSES - 1
    );
    for row in rows(&select) {
        let [number, seq, first, last] = std::array::from_fn(|at| row[at].parse::<u64>().unwrap());
        let answered = said.turns.get(&number).copied().unwrap_or(0);
        if seq < answered {
            return Err(format!("process {number} was at {answered}, and is not any more: {seq}"));
        }
        if seq > 1 && row[4] != last.to_string() {
            return Err(format!("process {number} has state {}, and {last} events", row[4]));
        }
        let events: Vec<_> = row[5].split_whitespace().map(|event| event.split_once('=').unwrap()).collect();
        if !events.iter().map(|(id, _)| id.parse::<u64>().unwrap()).eq(first..=last) {
            return Err(format!("process {number} has other events than {first} to {last}"));
        }
        for (_, letter) in events {
            if !letters.insert(letter.to_owned()) {
                return Err(format!("letter {letter} was handled twice"));
            }
        }
    }
    if let Some(lost) = said.handled.difference(&letters).next() {
        return Err(format!("letter {lost} was handled, and no event says so"));
    }
    for row in rows("SELECT convert_from(data, 'UTF8') FROM mail WHERE data <> 'to nobody'") {
        if !letters.insert(row[0].clone()) {
            return Err(format!("letter {} was handled, and is there again", row[0]));
        }
    }
    if let Some(lost) = said.posted.difference(&letters).next() {
        return Err(format!("letter {lost} was posted and is not there"));
    }
    match said.not_posted.intersection(&letters).next() {
        Some(ghost) => Err(format!("letter {ghost} was refused and is there")),
        None => Ok(()),
    }
}

/// Nothing belongs to a process that is not there, and what is counted is what there is.
async fn counts(store: &Arc<dyn ProcessStore>, rows: Rows<'_>) -> Result<(), String> {
    for table in ["process_events", "mail"] {
        let left = rows(&format!(
            "SELECT count(*) FROM {table} WHERE number IS NOT NULL AND NOT EXISTS (SELECT 1 FROM processes
             WHERE processes.plugin = {table}.plugin AND processes.number = {table}.number)"
        ));
        if left != [["0"]] {
            return Err(format!("{left:?} rows of {table} belong to nobody"));
        }
    }
    let found = rows(
        "SELECT (SELECT count(*) FROM items), (SELECT count(*) FROM jobs), (SELECT count(*) FROM processes),
           (SELECT coalesce(sum(64 + length(key) + length(value)), 0) FROM items)
             + (SELECT coalesce(sum(bytes), 0) FROM jobs) + (SELECT coalesce(sum(bytes), 0) FROM processes)
             + (SELECT coalesce(sum(32 + length(data)), 0) FROM process_events)
             + (SELECT coalesce(sum(128 + length(data) + coalesce(octet_length(name), 0)), 0) FROM mail)",
    );
    let usage = at_last(|| store.usage()).await;
    let sum = |of: fn(&skep_store::PluginUsage) -> u64| usage.iter().map(of).sum::<u64>().to_string();
    let counted = [sum(|one| one.items), sum(|one| one.jobs), sum(|one| one.processes), sum(|one| one.bytes)];
    if found != [counted.clone()] {
        return Err(format!("{found:?} items, jobs, processes and bytes, but {counted:?} are counted"));
    }
    let queues = at_last(|| store.queue_counts()).await;
    let jobs: u64 = queues.iter().flat_map(|queue| queue.counts).sum();
    if jobs.to_string() != counted[1] {
        return Err(format!("{jobs} jobs in queues, and {} in all", counted[1]));
    }
    Ok(())
}
