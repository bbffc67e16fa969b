//! The clients: a process of one thread.

use std::io::{BufRead as _, Lines, StdinLock};
use std::time::Duration;

use skep_loadgen::sockets::{Crowd, Door, ask, talk, text_frame};

const WARM: usize = 100;
const BROADCASTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn run(address: &str, count: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, measure(address, count));
}

/// Says how far it is, and goes on when it is told to.
fn wait(told: &mut Lines<StdinLock<'_>>, how_far: &str) {
    println!("{how_far}");
    told.next().unwrap().unwrap();
}

async fn measure(address: &str, count: usize) {
    let mut told = std::io::stdin().lock().lines();
    let door = Door::new(address.parse().unwrap(), "/socket", "room:a");
    let mut streams = door.open_many(WARM).await.streams;
    wait(&mut told, "warm");
    let opened = door.open_many(count - WARM).await;
    assert!(opened.stopped.is_none(), "{:?}", opened.stopped);
    let rate = opened.streams.len() as f64 / opened.took.as_secs_f64();
    streams.extend(opened.streams);
    wait(&mut told, &format!("{rate:.0} joins/s"));
    let author = streams.pop().unwrap();
    // Echo, with all the others idle beside it.
    let echo = text_frame(r#"["1","2","room:a","echo",{"text":"hello"}]"#);
    let (said, mut authors) = talk(vec![author], &echo, Duration::ZERO, Duration::from_secs(2)).await.unwrap();
    let micros = |quantile| said.latencies.quantile(quantile) as f64 / 1e3;
    println!("echo p50 {:.1} us, p99 {:.1} us, {} of them", micros(50_000), micros(99_000), said.latencies.count());
    let shout = text_frame(r#"["1","3","room:a","shout",{"text":"hello everybody"}]"#);
    let (mut author, crowd) = (authors.pop().unwrap(), Crowd::listen(streams));
    let mut times = Vec::new();
    for _ in 0..BROADCASTS {
        tokio::time::sleep(PAUSE).await;
        crowd.expect(1);
        // The author's own copy.
        ask(&mut author, &shout, 1).await.unwrap();
        times.push(crowd.heard(PATIENCE).await.unwrap().took);
    }
    times.sort_unstable();
    let (first, middle, last) = (times[0], times[times.len() / 2], times[times.len() - 1]);
    println!("{BROADCASTS} broadcasts to {}: {first:?}, median {middle:?}, worst {last:?}", crowd.len());
}
