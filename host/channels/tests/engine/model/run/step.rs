//! What happens, to the engine and to the model.

use super::*;

impl Run {
    pub(super) async fn step(&mut self, op: &Op) {
        let number = self.next();
        let json = || Body::Json(number.to_string());
        let chat = plugin("chat");
        match *op {
            Op::Connect(slot, is_old) => {
                if self.slots[slot].is_none() {
                    self.connect(slot, if is_old { Version::V1 } else { Version::V2 }).await;
                }
            }
            Op::Send(slot, topic, ref acts) => {
                for act in acts {
                    if let Some(p) = self.slots[slot] {
                        self.send(p, topic, *act);
                    }
                }
            }
            Op::Heartbeat(slot) => {
                let reference = number.to_string();
                let is_old = self.slots[slot].is_some_and(|p| self.model.peers[p].version == Version::V1);
                let version = if is_old { Version::V1 } else { Version::V2 };
                let said = super::super::said::Said::text("null", &reference, "phoenix", "heartbeat", "{}");
                let text = String::from_utf8(said.frame(version).unwrap().bytes().to_vec()).unwrap();
                self.send_other(slot, &text, |peer| peer.heartbeat(&reference));
            }
            Op::Malformed(slot) => self.send_other(slot, "[1,", |peer| peer.close(1011)),
            Op::TooLarge(slot) => {
                let long = format!("[null,null,\"phoenix\",\"heartbeat\",\"{}\"]", "x".repeat(FRAME_BYTES_MAX));
                self.send_other(slot, &long, |peer| peer.close(1009));
            }
            Op::Drop(slot) => {
                if let Some(p) = self.slots[slot].take() {
                    self.sockets[p].1 = None;
                    self.model.finish(p);
                }
            }
            Op::Reads(slot, reads) => {
                if let Some(p) = self.slots[slot]
                    && let (peer, Some(live)) = (&mut self.model.peers[p], &mut self.sockets[p].1)
                {
                    (live.reads, peer.reads) = (reads, reads);
                    if reads {
                        live.read();
                        peer.read();
                    }
                    // Its task has written, and looks at everything.
                    live.woken.0.store(true, SeqCst);
                }
            }
            Op::Release(slot, topic) => {
                if let Some(p) = self.slots[slot]
                    && let Some(chan) =
                        self.model.peers[p].channels.iter().find(|chan| chan.topic == topic && chan.held.is_some())
                {
                    let serial = chan.serial;
                    self.diary.release(self.id(p, serial));
                    self.model.release(p, serial);
                }
            }
            Op::Broadcast(event, at, of_other, binary) => {
                let owner = if of_other { "other" } else { "chat" };
                let body = if binary { Body::Binary(number.to_string().into()) } else { json() };
                self.channels.broadcast(&topic(&format!("{owner}/{}", TOPICS[at])), event, body).unwrap();
                self.model.broadcast(owner, at, Cast { topic: TOPICS[at], event, number, binary }, None);
            }
            Op::BroadcastFrom(slot, at) => {
                let Some((p, serial, id)) = self.newest(slot, at) else { return };
                let room = topic(&format!("chat/{}", TOPICS[at]));
                self.channels.broadcast_from(&chat, id, &room, "news", json()).unwrap();
                let cast = Cast { topic: TOPICS[at], event: "news", number, binary: false };
                self.model.broadcast("chat", at, cast, Some((p, serial)));
            }
            Op::Publish(of_other, at) => {
                let owner = if of_other { "other" } else { "chat" };
                let to = at.map_or_else(|| topic("news/x"), |at| topic(&format!("{owner}/{}", TOPICS[at])));
                self.pubsub.publish(&to, Publish { data: number.to_string().into(), ..Publish::default() }).unwrap();
                self.model.publish(owner, at, number);
            }
            Op::Tell(slot, at) => {
                let Some((p, serial, id)) = self.newest(slot, at) else { return };
                let done = self.channels.push(&chat, id, "told", &json());
                assert_eq!(outcome(&done), self.model.push(p, serial, number));
            }
            Op::Reply(slot, at, refuses) => {
                let Some((p, serial, id)) = self.newest(slot, at) else { return };
                let chan = self.model.peers[p].of_serial(serial).unwrap();
                let (reference, status) = (chan.reference.clone(), if refuses { "error" } else { "ok" });
                let to = format!("{id}.{reference}").parse().unwrap();
                let done = self.channels.reply(&chat, &to, status, &json());
                assert_eq!(outcome(&done), self.model.reply(p, serial, &reference, status, number));
            }
            Op::Stop(slot, at, in_order) => {
                let Some((p, serial, id)) = self.newest(slot, at) else { return };
                let reason = if in_order { "shutdown: now" } else { "killed" };
                assert_eq!(outcome(&self.channels.stop(&chat, id, reason)), self.model.stop(p, serial, reason));
            }
            Op::Swap(kind) => self.swap(kind),
            Op::Disconnect(slot) => {
                self.channels.disconnect(&topic(&format!("chat/user:{slot}"))).unwrap();
                if let Some(p) = self.slots[slot] {
                    self.model.peers[p].close(1001);
                }
            }
            Op::Close(slot) => {
                if let Some(p) = self.slots[slot] {
                    assert!(self.channels.close(self.sockets[p].0));
                    self.model.peers[p].close(1001);
                }
            }
            Op::Advance(ms) => {
                tokio::time::advance(Duration::from_millis(ms)).await;
                self.model.now += ms * 1000;
                for (_, live) in &self.sockets {
                    if let Some(live) = live {
                        live.woken.0.store(true, SeqCst);
                    }
                }
            }
        }
    }
}

fn outcome(done: &Result<(), Error>) -> Outcome {
    match done {
        Ok(()) => Outcome::Done,
        Err(Error::NotFound) => Outcome::NotFound,
        Err(_) => Outcome::Invalid,
    }
}
