//! Threads that track while owners end.

use std::sync::atomic::{AtomicBool, Ordering};

use skep_presence::{Error, Options};

use crate::client::Client;
use crate::{Bench, TICK, topic};
use skep_types::Clock;

#[test]
fn owners_that_end_while_they_are_tracked_leave_no_ghost() {
    const ROUNDS: usize = 3000;
    let bench = Bench::new(Options::default());
    let (engine, room, done) = (&bench.presence, topic("room"), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3)
            .map(|thread| {
                let room = &room;
                scope.spawn(move || {
                    for round in 0..ROUNDS {
                        let id = format!("{}", round % 7);
                        // Threads race for the same ids: whoever gets the guard drops it while others track with it.
                        let guard = engine.owner(&id);
                        for n in 0..4 {
                            let key = format!("{thread}-{n}");
                            match engine.track(&id, room, &key, b"{}") {
                                Ok(_) | Err(Error::NoOwner | Error::AlreadyTracked) => {}
                                Err(error) => panic!("{error}"),
                            }
                            drop(engine.update(&id, room, &key, b"{\"a\":1}"));
                            let _ = engine.list(room, None, 3);
                        }
                        drop(guard);
                    }
                })
            })
            .collect();
        let ticker = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                bench.clock.advance(TICK);
                bench.presence.tick(bench.clock.now());
            }
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        done.store(true, Ordering::Relaxed);
        ticker.join().unwrap();
    });
    let mut client = Client::default();
    let last = [bench.heard(), bench.tick()].concat();
    last.iter().for_each(|(_, diff)| client.apply(&diff.to_json()));
    let stats = engine.stats();
    assert_eq!((stats.owners, stats.topics, stats.entries, stats.due), (0, 0, 0, 0));
    assert_eq!(client, Client::default(), "nor in a client that heard all diffs");
}
