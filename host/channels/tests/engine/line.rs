//! Frames that go out without a turn of the socket's own task.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use skep_channels::{Body, Line, Outbound};

use crate::rig::{Rig, topic};

/// A connection that takes frames, or does not.
#[derive(Default)]
struct Noted {
    frames: Mutex<Vec<String>>,
    stuck: AtomicBool,
    flushes: Mutex<usize>,
}

impl Line for Noted {
    fn flush(&self, outbound: &Outbound<'_>) -> bool {
        *self.flushes.lock().unwrap() += 1;
        if self.stuck.load(Ordering::Relaxed) {
            return false;
        }
        let mut frames = self.frames.lock().unwrap();
        outbound.take(1, |frame| frames.push(String::from_utf8(frame.bytes().to_vec()).unwrap()))
    }
}

impl Noted {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.frames.lock().unwrap())
    }
}

fn shout(rig: &Rig, number: usize) {
    rig.channels.broadcast(&topic("chat/room:a"), "shouted", Body::Json(number.to_string())).unwrap();
}

fn shouted(number: usize) -> String {
    format!("[null,null,\"room:a\",\"shouted\",{number}]")
}

/// Until it is so; other tasks run meanwhile.
async fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_broadcast_reaches_all_without_a_turn_of_their_tasks() {
    let rig = Rig::new();
    let mut all = Vec::new();
    for _ in 0..100 {
        let (mut client, line) = (rig.joined("room:a").await, Arc::<Noted>::default());
        client.socket.write_by(Arc::clone(&line) as _);
        client.quiet().await;
        all.push((client, line));
    }
    shout(&rig, 1);
    // Nobody polls the sockets.
    until(|| all.iter().all(|(_, line)| *line.flushes.lock().unwrap() > 0)).await;
    for (_, line) in &all {
        assert_eq!((line.take(), *line.flushes.lock().unwrap()), (vec![shouted(1)], 1));
    }
    assert_eq!(rig.channels.stats().sent, 200, "with the replies to the joins");
    for (client, _) in &mut all {
        client.quiet().await;
    }
}

#[tokio::test]
async fn what_a_connection_does_not_take_is_left_to_the_task_in_order() {
    let rig = Rig::new();
    let (mut client, line) = (rig.joined("room:a").await, Arc::<Noted>::default());
    client.socket.write_by(Arc::clone(&line) as _);
    client.quiet().await;
    line.stuck.store(true, Ordering::Relaxed);
    shout(&rig, 1);
    shout(&rig, 2);
    client.sees(&shouted(1)).await;
    client.sees(&shouted(2)).await;
    assert!(line.take().is_empty());
    // It takes one at a time, so that the task is woken for the other.
    client.quiet().await;
    line.stuck.store(false, Ordering::Relaxed);
    shout(&rig, 3);
    shout(&rig, 4);
    until(|| !line.frames.lock().unwrap().is_empty()).await;
    client.sees(&shouted(4)).await;
    assert_eq!(line.take(), [shouted(3)]);
}

#[tokio::test]
async fn a_close_wakes_the_task_and_not_the_line() {
    let rig = Rig::new();
    let (mut client, line) = (rig.joined("room:a").await, Arc::<Noted>::default());
    client.socket.write_by(Arc::clone(&line) as _);
    client.quiet().await;
    assert!(rig.channels.close(client.socket.info().id()));
    assert_eq!(client.closed().await.code, 1001);
    assert_eq!(*line.flushes.lock().unwrap(), 0);
}
