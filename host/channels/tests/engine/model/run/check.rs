//! What must be the same then.

use super::*;

impl Run {
    /// Lets everything happen that can.
    pub(super) async fn settle(&mut self) {
        let mut calm = 0;
        while calm < 3 {
            let before = self.diary.len();
            let mut any = false;
            for (id, live) in &mut self.sockets {
                match live {
                    Some(live) => any |= live.turn(),
                    None => self.diary.release_all(*id),
                }
            }
            tokio::task::yield_now().await;
            calm = if any || self.diary.len() != before { 0 } else { calm + 1 };
        }
        self.model.settle();
    }

    pub(super) fn check(&mut self, op: &Op) {
        for (p, (id, live)) in self.sockets.iter_mut().enumerate() {
            let peer = &mut self.model.peers[p];
            let Some(socket) = live else { continue };
            let code = socket.socket.closing().map(|close| close.code);
            assert_eq!(code, peer.closing, "client {p}, {op:?}");
            if code.is_some() {
                // What waits goes out before the end.
                socket.read();
                peer.read();
            }
            assert_eq!(text(&socket.seen), text(&peer.seen), "client {p}, {op:?}");
            (socket.seen, peer.seen) = (Vec::new(), Vec::new());
            let info = self.channels.socket(*id).unwrap();
            let real = (info.received, info.sent, info.dropped, info.queued, info.queued_bytes);
            let bytes = peer.queued_bytes() as u64;
            assert_eq!(real, (peer.received, peer.sent, peer.dropped, peer.queue.len(), bytes), "client {p}, {op:?}");
            assert_eq!(socket.socket.accepts(), peer.accepts(self.model.now), "client {p}, {op:?}");
            if code.is_some() {
                *live = None;
                self.slots.iter_mut().for_each(|slot| _ = slot.take_if(|at| *at == p));
            }
        }
    }

    pub(super) fn check_guests(&self, op: &Op) {
        for (p, peer) in self.model.peers.iter().enumerate() {
            for serial in 0..peer.next_serial {
                let model = peer.diary.get(&serial).cloned().unwrap_or_default();
                assert_eq!(self.diary.of(self.id(p, serial)), model, "client {p}, channel {serial}, {op:?}");
            }
        }
        let model = &self.model;
        let open = || model.peers.iter().filter(|peer| !peer.gone);
        let channels = || open().flat_map(|peer| &peer.channels);
        let hearing = channels().filter(|chan| chan.hears()).count();
        let listening = channels().filter(|chan| chan.listens).count();
        // Nobody is left behind: who hears of topics, and who is present there, has a channel.
        assert_eq!(self.presence.stats().owners as usize, hearing, "{op:?}");
        assert_eq!(self.pubsub.stats().subscriptions, open().count() + hearing + listening, "{op:?}");
        for (at, name) in TOPICS.iter().enumerate() {
            let present = |owner: &str| self.presence.count(&topic(&format!("{owner}/{name}")));
            let tracked = channels().filter(|chan| chan.topic == at && chan.tracks).count();
            assert_eq!(present("chat") + present("other"), tracked as u64, "{op:?}");
        }
        let stats = self.channels.stats();
        let dropped = model.peers.iter().map(|peer| peer.dropped).sum();
        let real = (stats.sockets, stats.joins, stats.crashes, stats.slow, stats.dropped);
        assert_eq!(real, (open().count() as u64, model.joins, model.crashes, model.slow, dropped), "{op:?}");
    }
}

fn text(frames: &[Frame]) -> Vec<String> {
    frames.iter().map(|frame| String::from_utf8_lossy(frame.bytes()).into_owned()).collect()
}
