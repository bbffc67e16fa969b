//! Commits of a host that is killed under load: all that was acknowledged is there, and nothing by half.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use skep_admin::api::{JobDetail, JobFilter, JobState, Line, MessageStatus, ValueText};
use skep_admin::{Client as Admin, Endpoint};
use skep_tests::{guests, sse};
use tempfile::TempDir;

use super::{HOST, Site, Skep, folder, folder_on_postgres, random, rounds, rounds_on_postgres};

const PLUGIN: &str = "crash";
/// How long the jobs of a round may take to end: one that lost all its races against the others is tried again after 17 s.
const PATIENCE: Duration = Duration::from_secs(45);
const WRITERS: u64 = 6;
/// Fewer than writers, so that some of them race.
const CHAINS: u64 = 3;

fn manifest() -> String {
    let wasm = guests::store_probe();
    format!(
        "[plugins.{PLUGIN}]\nsource = {wasm:?}\nroutes = ['{HOST}/{{*path}}', \
         {{ route = 'GET {HOST}/news', sse = {{ topic = 'news', open = 'anyone' }} }}]\n\
         queues = {{ default = {{ concurrency = 2 }} }}\ntopics = {{ news = {{ retain = {{ messages = 10_000 }} }} }}\n"
    )
}

impl Site {
    /// A key's version and text, if there is an answer; both are 0 without an item.
    async fn item(&self, key: &str) -> Option<(u64, u64)> {
        let (status, body) = self.get(&format!("/get?k={key}")).await?;
        assert_eq!(status, 200, "{body}");
        let number = |at: usize| body.split(' ').nth(at).and_then(|text| text.parse().ok()).unwrap_or(0);
        Some((number(0), number(2)))
    }
}

/// What writers were told in one round.
#[derive(Default)]
struct Told {
    /// Commits that were answered as done.
    done: BTreeSet<u64>,
    /// Commits that were not answered, or not clearly.
    open: BTreeSet<u64>,
    /// Commits that were refused.
    refused: BTreeSet<u64>,
}

/// Commits until the host is gone. Each commit has a number, moves its chain on from the commit before, and leaves a link.
async fn write(site: &Site, round: u64, chain: u64, numbers: &AtomicU64, told: &Mutex<Told>) {
    let key = format!("chain{chain}");
    let Some((mut version, mut before)) = site.item(&key).await else { return };
    loop {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let check = if version == 0 { format!("absent {key}") } else { format!("check {key} {version}") };
        let ops = format!(
            "{check};set {key} {number};sum total 1;set {} {chain} {before};enqueue keep {number};publish news {number}",
            link(round, number)
        );
        let answer = site.get(&format!("/commit?ops={ops}")).await;
        let now = match &answer {
            Some((200, body)) => {
                told.lock().done.insert(number);
                Some((body.split(' ').next().unwrap().parse().unwrap(), number))
            }
            Some((409, body)) if body.starts_with("Conflict") => {
                told.lock().refused.insert(number);
                site.item(&key).await
            }
            other => {
                told.lock().open.insert(number);
                if let Some(answer) = other {
                    eprintln!("round {round}: commit {number} was answered {answer:?}");
                }
                site.item(&key).await
            }
        };
        let Some(now) = now else { return };
        (version, before) = now;
    }
}

fn link(round: u64, number: u64) -> String {
    format!("link:{round}:{number:08}")
}

/// Listens until the host is gone, and answers the numbers that were published.
async fn listen(site: &Site) -> BTreeSet<u64> {
    let request = site.client.get(format!("{}/news", site.url)).header("host", HOST);
    let Ok(mut stream) = request.send().await else { return BTreeSet::new() };
    assert_eq!(stream.status(), 200);
    let mut text = Vec::new();
    while let Ok(Some(chunk)) = stream.chunk().await {
        text.extend_from_slice(&chunk);
    }
    let text = String::from_utf8(text).unwrap();
    let whole = text.rfind("\n\n").map_or("", |end| &text[..end + 2]);
    sse::events(whole).iter().map(|event| event.data.parse().unwrap()).collect()
}

/// Writers and a listener, until the host is killed at a random moment.
async fn load(skep: Skep, round: u64, numbers: &Arc<AtomicU64>, after: Duration) -> (Told, BTreeSet<u64>) {
    let told = Arc::new(Mutex::new(Told::default()));
    let writers = (0..WRITERS).map(|writer| {
        let (site, told, numbers) = (skep.site.clone(), Arc::clone(&told), Arc::clone(numbers));
        tokio::spawn(async move { write(&site, round, writer % CHAINS, &numbers, &told).await })
    });
    let writers: Vec<_> = writers.collect();
    let site = skep.site.clone();
    let heard = tokio::spawn(async move { listen(&site).await });
    tokio::time::sleep(after).await;
    skep.kill().await;
    for writer in writers {
        writer.await.unwrap();
    }
    let heard = heard.await.unwrap();
    let told = std::mem::take(&mut *told.lock());
    (told, heard)
}

/// What has to be so whenever a host was killed, from round to round.
#[derive(Default)]
struct Kept {
    heads: BTreeMap<u64, u64>,
    /// What was committed in this and all earlier rounds: a message can be told as late as when another host finds that its own
    /// is dead.
    known: BTreeSet<u64>,
    total: u64,
    told_again: usize,
}

impl Kept {
    async fn verify(&mut self, site: &Site, dir: &Path, round: u64, told: &Told, heard: &BTreeSet<u64>) {
        let links = links(site, round).await;
        let there: BTreeSet<u64> = links.keys().copied().collect();
        eprintln!(
            "round {round}: {} acknowledged, {} open, {} refused; {} there",
            told.done.len(),
            told.open.len(),
            told.refused.len(),
            there.len()
        );
        let lost: Vec<_> = told.done.difference(&there).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        let ghosts: Vec<_> =
            there.iter().filter(|number| !told.done.contains(number) && !told.open.contains(number)).collect();
        assert!(ghosts.is_empty(), "refused, and there: {ghosts:?}");
        self.total += there.len() as u64;
        assert_eq!(site.ok("/counter?k=total").await, self.total.to_string(), "the sum");
        self.chains(site, &links).await;
        self.known.extend(&there);
        let too_early: Vec<_> = heard.difference(&self.known).collect();
        assert!(too_early.is_empty(), "published, and not there: {too_early:?}");
        let again = published_again(dir).await;
        assert!(again.is_subset(&self.known), "published after the restart, and not there: {again:?}");
        self.told_again += again.len();
        jobs(site, dir, &there).await;
    }

    /// Each chain goes from its head back to where it was before the round, over each of its links once.
    async fn chains(&mut self, site: &Site, links: &BTreeMap<u64, (u64, u64)>) {
        let mut walked = 0;
        for chain in 0..CHAINS {
            let from = self.heads.get(&chain).copied().unwrap_or(0);
            let (_, head) = site.item(&format!("chain{chain}")).await.unwrap();
            let mut at = head;
            while at != from {
                let (of, before) =
                    links.get(&at).unwrap_or_else(|| panic!("chain {chain}: no link of {at}, back to {from}"));
                assert_eq!(*of, chain, "the link of {at}");
                walked += 1;
                at = *before;
            }
            self.heads.insert(chain, head);
        }
        assert_eq!(walked, links.len(), "a commit went on from what was no longer there");
    }
}

/// The links of a round: number, chain, number before.
async fn links(site: &Site, round: u64) -> BTreeMap<u64, (u64, u64)> {
    let (mut links, mut cursor) = (BTreeMap::new(), String::new());
    loop {
        let page = site.ok(&format!("/list?prefix=link:{round}:{cursor}")).await;
        let mut next = None;
        for line in page.lines() {
            let parts: Vec<_> = line.split(' ').collect();
            match parts[..] {
                ["cursor", at] => next = Some(format!("&cursor={at}")),
                [key, chain, before] => {
                    let number = key.rsplit(':').next().unwrap().parse().unwrap();
                    links.insert(number, (chain.parse().unwrap(), before.parse().unwrap()));
                }
                _ => panic!("{line}"),
            }
        }
        match next {
            Some(next) => cursor = next,
            None => return links,
        }
    }
}

fn admin(dir: &Path) -> Admin {
    Admin::new(Endpoint::find(&dir.join(".skep")).unwrap())
}

/// What the outbox of the killed host had left, which the next one published.
async fn published_again(dir: &Path) -> BTreeSet<u64> {
    let admin = admin(dir);
    let topic = format!("{PLUGIN}/news");
    admin.publish(&topic, None, "0".into()).await.unwrap();
    let mut numbers = BTreeSet::new();
    let each = |line: Line<MessageStatus>| {
        let Line::Item(MessageStatus { data: ValueText::Text(text), .. }) = line else {
            return ControlFlow::Continue(());
        };
        let number = text.parse().unwrap();
        if number == 0 {
            return ControlFlow::Break(());
        }
        numbers.insert(number);
        ControlFlow::Continue(())
    };
    admin.tail(&topic, Some(0), each).await.unwrap();
    numbers
}

/// The jobs that have not ended, with how their attempts failed.
async fn unfinished(admin: &Admin) -> Vec<JobDetail> {
    let mut unfinished = Vec::new();
    for job in admin.jobs(&JobFilter::default(), None, 1000).await.unwrap().jobs {
        if job.state != JobState::Completed {
            unfinished.push(admin.job(job.id, true).await.unwrap());
        }
    }
    unfinished
}

/// Each commit's job is done, and has its effect once.
async fn jobs(site: &Site, dir: &Path, there: &BTreeSet<u64>) {
    let admin = admin(dir);
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        let queues = admin.queues(Some(PLUGIN)).await.unwrap();
        let left = queues.iter().map(|queue| {
            let counts = queue.counts;
            assert_eq!(counts.cancelled + counts.discarded, 0, "{queue:?}");
            counts.suspended + counts.scheduled + counts.available + counts.executing + counts.retryable
        });
        if left.sum::<u64>() == 0 {
            break;
        }
        if tokio::time::Instant::now() > until {
            let left = unfinished(&admin).await;
            panic!("jobs are not done: {queues:#?} {left:#?}");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let done = site.ok("/done").await;
    let mut done: Vec<u64> =
        done.split_whitespace().filter(|word| *word != "none").map(|word| word.parse().unwrap()).collect();
    done.sort_unstable();
    assert_eq!(done, there.iter().copied().collect::<Vec<_>>(), "the effects of jobs");
    site.ok("/delete?k=done").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_killed_under_load_keeps_what_it_acknowledged_and_nothing_by_half() {
    keeps_what_it_acknowledged(&folder(&manifest()), rounds()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_with_a_postgresql_that_is_killed_under_load_keeps_what_it_acknowledged_and_nothing_by_half() {
    let Some(dir) = folder_on_postgres(&manifest()) else { return };
    keeps_what_it_acknowledged(&dir, rounds_on_postgres()).await;
}

async fn keeps_what_it_acknowledged(dir: &TempDir, rounds: u64) {
    let mut random = random();
    let (numbers, mut kept) = (Arc::new(AtomicU64::new(1)), Kept::default());
    let mut skep = Skep::start(dir.path()).await;
    for round in 0..rounds {
        let after = Duration::from_millis(random.u64(30..800));
        let (told, heard) = load(skep, round, &numbers, after).await;
        // Some of them do not live to see their own start.
        for _ in 0..random.u8(..3) {
            let mut stillborn = Skep::spawn(dir.path());
            tokio::time::sleep(Duration::from_millis(random.u64(..400))).await;
            stillborn.kill().await.unwrap();
        }
        skep = Skep::start(dir.path()).await;
        kept.verify(&skep.site, dir.path(), round, &told, &heard).await;
    }
    eprintln!("{} commits in all, {} messages were told again", kept.total, kept.told_again);
    assert!(kept.total > 10 * rounds, "there was no load");
    skep.kill().await;
}
