//! One session: a task that holds the socket, and hands frames over when somebody polls.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::{Polled, Posted};
use crate::socket::Socket;
use crate::wire::Frame;

/// What one poll brings at most, in bytes, by its first frames.
const POLL_BYTES: usize = 1 << 20;

pub(super) enum Request {
    Poll(oneshot::Sender<Polled>),
    Post(Vec<Frame>, oneshot::Sender<Posted>),
    Fail,
}

pub(super) struct Session {
    socket: Socket,
    requests: mpsc::Receiver<Box<Request>>,
    /// Who polls now, and until when.
    poll: Option<(oneshot::Sender<Polled>, Instant)>,
    /// What is not handed in yet. The next post is taken when this one is.
    post: Option<(VecDeque<Frame>, oneshot::Sender<Posted>)>,
    polled: Instant,
    window: Duration,
}

impl Session {
    pub(super) fn new(socket: Socket, requests: mpsc::Receiver<Box<Request>>) -> Self {
        let window = socket.options().window;
        Self { socket, requests, poll: None, post: None, polled: Instant::now(), window }
    }

    /// Runs until the socket closes or nobody polls any more.
    pub(super) async fn run(mut self) {
        loop {
            self.hand_in();
            self.hand_out();
            if self.socket.closing().is_some() {
                return self.end().await;
            }
            let until = match &self.poll {
                Some((_, until)) => *until,
                // Phoenix looks every one and a half windows whether the last poll is as long ago: it ends a session
                // between one and a half and three windows after it.
                None => self.polled + self.window * 3 / 2,
            };
            let (takes, socket, post, polls) = (self.post.is_none(), &mut self.socket, &self.post, &self.poll);
            let work = poll_fn(|cx| {
                let ready = socket.poll(cx).is_ready();
                let hands_out = ready && polls.is_some();
                let hands_in = post.is_some() && socket.accepts();
                if hands_out || hands_in || socket.closing().is_some() { Poll::Ready(()) } else { Poll::Pending }
            });
            tokio::select! {
                () = work => {}
                request = self.requests.recv(), if takes => match request {
                    Some(request) => self.asked(*request),
                    None => return,
                },
                () = tokio::time::sleep_until(until) => match self.poll.take() {
                    Some((poll, _)) => self.answer(poll, Polled::Nothing),
                    None => return,
                },
            }
        }
    }

    fn asked(&mut self, request: Request) {
        match request {
            Request::Poll(poll) => {
                self.socket.heard();
                // One at a time; the client has forgotten the other.
                if let Some((former, _)) = self.poll.replace((poll, Instant::now() + self.window)) {
                    _ = former.send(Polled::Nothing);
                }
            }
            Request::Post(frames, answer) => self.post = Some((frames.into(), answer)),
            Request::Fail => self.socket.close(1011, "malformed message"),
        }
    }

    fn hand_in(&mut self) {
        let Some((frames, _)) = &mut self.post else { return };
        while self.socket.accepts()
            && let Some(frame) = frames.pop_front()
        {
            self.socket.receive(frame);
        }
        let closed = self.socket.closing().is_some();
        if (closed || frames.is_empty())
            && let Some((_, answer)) = self.post.take()
        {
            _ = answer.send(if closed { Posted::Failed } else { Posted::Taken });
        }
    }

    fn hand_out(&mut self) {
        // Who has given up takes no messages with it.
        let Some((poll, until)) = self.poll.take().filter(|(poll, _)| !poll.is_closed()) else { return };
        let frames = self.take();
        if frames.is_empty() {
            self.poll = Some((poll, until));
        } else {
            self.answer(poll, Polled::Messages(frames));
        }
    }

    fn take(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        self.socket.take(POLL_BYTES, |frame| frames.push(frame));
        frames
    }

    fn answer(&mut self, poll: oneshot::Sender<Polled>, polled: Polled) {
        self.polled = Instant::now();
        _ = poll.send(polled);
    }

    /// The socket is closed; whoever polls within the time that a client has to read gets what is left.
    async fn end(mut self) {
        // Guests are told now.
        poll_fn(|cx| self.socket.poll(cx)).await;
        if let Some((poll, _)) = self.poll.take() {
            // What was there was handed over just before.
            return self.answer(poll, Polled::Nothing);
        }
        let frames = self.take();
        if frames.is_empty() {
            return;
        }
        let last = tokio::time::sleep(self.socket.options().close_timeout);
        let poll = async {
            loop {
                match self.requests.recv().await.map(|request| *request) {
                    Some(Request::Poll(poll)) => return Some(poll),
                    // Its answer says that it failed.
                    Some(Request::Post(..) | Request::Fail) => {}
                    None => return None,
                }
            }
        };
        tokio::select! {
            Some(poll) = poll => {
                _ = poll.send(Polled::Messages(frames));
            }
            () = last => {}
        }
    }
}
