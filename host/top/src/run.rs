//! The loop: looks, keys, screens.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use crossterm::event::{Event, EventStream};
use futures_util::StreamExt as _;
use skep_admin::Client;
use skep_admin::api::{ProcessDone, ProcessOp};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::draw::draw;
use crate::gather::{Snapshot, Wish, gather};
use crate::picture::Picture;
use crate::terminal::Screen;
use crate::ui::{Action, Ui};

/// A node that has not answered by then is told as one that does not.
const PATIENCE: Duration = Duration::from_secs(10);
/// For every second that the node works for a screen it has nine without.
const REST: u32 = 9;
/// Looks between two at the queues: jobs are counted for that.
const QUEUES_EVERY: u32 = 5;

/// How it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Which processes, in which order.
    pub wish: Wish,
    /// The time between two looks at the node; more, while the node takes long to answer. Default 1 s.
    pub every: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { wish: Wish::default(), every: Duration::from_secs(1) }
    }
}

/// Shows the node until somebody has seen enough. The terminal is as it was then, also after an error or a signal.
///
/// # Errors
/// When there is no terminal, the node does not answer at the beginning, or the terminal fails. A node that goes away later is
/// told on the screen, and waited for.
pub async fn run(client: Client, options: Options) -> anyhow::Result<()> {
    Screen::check()?;
    let first = look(&client, &options.wish, true).await?;
    let mut screen = Screen::enter()?;
    let top = Top {
        client: Arc::new(client),
        every: options.every,
        picture: Picture::of(first),
        ui: Ui::new(options.wish),
        work: JoinSet::new(),
        looking: false,
        lost: false,
        wanted: false,
        looks: 1,
        next: Instant::now() + options.every,
    };
    top.run(&mut screen).await
}

async fn look(client: &Client, wish: &Wish, with_queues: bool) -> anyhow::Result<Snapshot> {
    let looked = timeout(PATIENCE, gather(client, wish, with_queues)).await;
    looked.context("the node does not answer: is it still running?")?
}

/// What came of work beside the screen.
enum Outcome {
    Looked { looked: anyhow::Result<Box<Snapshot>>, took: Duration },
    Killed(anyhow::Result<ProcessDone>),
}

struct Top {
    client: Arc<Client>,
    every: Duration,
    picture: Picture,
    ui: Ui,
    /// Requests under way. They end with the screen. One look at a time, and a kill for each yes.
    work: JoinSet<Outcome>,
    looking: bool,
    /// Whether the last look failed, which is told until one succeeds.
    lost: bool,
    /// Whether something else is wanted than what is being looked at.
    wanted: bool,
    looks: u32,
    /// When it looks again.
    next: Instant,
}

impl Top {
    async fn run(mut self, screen: &mut Screen) -> anyhow::Result<()> {
        let mut keys = EventStream::new();
        let mut ended = std::pin::pin!(signal());
        loop {
            screen.terminal().draw(|frame| draw(frame, &self.picture, &self.ui)).context("drawing")?;
            tokio::select! {
                key = keys.next() => match key {
                    Some(Ok(Event::Key(key))) => {
                        match self.ui.key(key, &self.picture) {
                            Some(Action::Quit) => return Ok(()),
                            Some(Action::Look) if self.looking => self.wanted = true,
                            Some(Action::Look) => self.look(),
                            Some(Action::Kill(pid)) => self.kill(pid),
                            None => {}
                        }
                    }
                    // Another size is another screen.
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(error).context("reading keys"),
                    None => return Ok(()),
                },
                Some(done) = self.work.join_next() => self.done(done.context("the screen's work failed")?),
                () = sleep_until(self.next), if !self.looking => self.look(),
                () = &mut ended => return Ok(()),
            }
        }
    }

    fn look(&mut self) {
        let (client, wish) = (Arc::clone(&self.client), self.ui.wish.clone());
        let with_queues = self.looks.is_multiple_of(QUEUES_EVERY);
        self.looks = self.looks.wrapping_add(1);
        (self.looking, self.wanted) = (true, false);
        self.work.spawn(async move {
            let began = Instant::now();
            let looked = look(&client, &wish, with_queues).await.map(Box::new);
            Outcome::Looked { looked, took: began.elapsed() }
        });
    }

    fn kill(&mut self, pid: String) {
        let client = Arc::clone(&self.client);
        self.work.spawn(async move { Outcome::Killed(client.operate_process(&pid, ProcessOp::Kill).await) });
    }

    fn done(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Looked { looked, took } => {
                self.looking = false;
                self.next = Instant::now() + self.every.max(took.saturating_mul(REST));
                match looked {
                    Ok(snapshot) => {
                        self.picture = self.picture.then(*snapshot);
                        if std::mem::take(&mut self.lost) {
                            self.ui.notice = None;
                        }
                    }
                    Err(error) => (self.lost, self.ui.notice) = (true, Some(format!("{error:#}"))),
                }
                if self.wanted {
                    self.look();
                }
            }
            Outcome::Killed(done) => {
                self.ui.notice = Some(match done {
                    Ok(ProcessDone { pid, .. }) => format!("{pid} killed"),
                    Err(error) => format!("{error:#}"),
                });
            }
        }
    }
}

/// Resolves when the program is told to end. Without it a signal would leave the terminal as it is drawn on.
#[cfg(unix)]
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};

    let signals = (signal(SignalKind::terminate()), signal(SignalKind::hangup()), signal(SignalKind::interrupt()));
    let (Ok(mut terminate), Ok(mut hangup), Ok(mut interrupt)) = signals else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
        _ = interrupt.recv() => {}
    }
}

#[cfg(not(unix))]
async fn signal() {
    // Control-C comes as a key.
    std::future::pending().await
}
