//! The border to the host: what it calls, of any kind.

use serde::{Serialize, de::DeserializeOwned};

use super::{Ctx, Down, Exit, Process, Reply, saved};
use crate::{
    __private::bindings::{imports::skep::plugin::pubsub, processes::exports::skep::plugin::process_handler as wit},
    Error, Result, codec,
};

/// A process that runs, whatever its kind. A panic in it ends it.
pub(crate) trait Live {
    fn handle(&mut self, event: wit::Event) -> wit::Next;
    fn save(&self) -> Result<Vec<u8>, String>;
    fn replay(&mut self, events: &[Vec<u8>]) -> Result<(), String>;
    fn terminate(&mut self, reason: &str);
}

/// A process that has begun, and what is next.
pub(crate) type Begins = Result<(Box<dyn Live>, wit::Next), String>;

/// One that goes on.
pub(crate) type Resumes = Result<Box<dyn Live>, String>;

/// What an answer is to the host.
type Answered = Option<Result<Vec<u8>, String>>;

struct Running<P: Process> {
    ctx: Ctx<P>,
    state: P,
}

/// What the host is told of a kind.
#[must_use]
pub fn process_definition<P: Process>() -> wit::Definition {
    wit::Definition { kind: P::KIND.to_owned(), version: P::VERSION, saves: true, replays: P::REPLAYS }
}

/// What the exported `init` does.
pub(crate) fn begin<P: Process>(me: wit::Identity, args: &[u8]) -> Begins {
    let mut ctx = Ctx::<P>::new(me.kind, me.pid, me.name);
    let begun = read(args, "arguments").and_then(|args| P::begin(args, &mut ctx));
    let state = begun.map_err(|error| error.context(whose::<P>()).to_string())?;
    let mut running = Running { ctx, state };
    let next = running.next(None);
    Ok((Box::new(running), next))
}

/// What the exported `load` does.
pub(crate) fn resume<P: Process>(me: wit::Identity, version: u32, state: Vec<u8>) -> Resumes {
    let state = saved::read(version, state).map_err(|error| error.context(whose::<P>()).to_string())?;
    let ctx = Ctx::<P>::new(me.kind, me.pid, me.name);
    Ok(Box::new(Running { ctx, state }))
}

fn whose<P: Process>() -> String {
    format!("the process kind `{}`", P::KIND)
}

fn read<T: DeserializeOwned>(message: &[u8], what: &str) -> Result<T> {
    codec::from_payload(message)
        .map_err(|error| error.context(format!("reading the {what} as `{}`", std::any::type_name::<T>())))
}

impl<P: Process> Running<P> {
    fn call(&mut self, message: &[u8]) -> Result<Option<Vec<u8>>> {
        let reply = self.state.on_call(read(message, "call")?, &mut self.ctx)?;
        match reply {
            Reply::Now(value) => Ok(Some(write(&value)?)),
            Reply::Later if self.ctx.is_later => Ok(None),
            Reply::Later => Err("the answer is to come later, and nobody took `ctx.reply_later()`".into()),
        }
    }

    fn tell(&mut self, event: wit::Event) -> Result<()> {
        let Self { ctx, state } = self;
        match event {
            wit::Event::Call(_) => Ok(()),
            wit::Event::Cast(message) => state.on_cast(read(&message, "cast")?, ctx),
            wit::Event::Info(message) => state.on_info(read(&message, "info")?, ctx),
            wit::Event::Timer(timer) => state.on_timer(read(&timer.message, "timer's message")?, ctx),
            wit::Event::Published(wit::Published { topic, id, event, data }) => {
                state.on_published(pubsub::Message { topic, event, id, data }.into(), ctx)
            }
            wit::Event::Down(down) => state.on_down(Down::new(down), ctx),
            wit::Event::Exit(exit) => state.on_exit(Exit::new(exit), ctx),
        }
    }

    fn next(&mut self, reply: Answered) -> wit::Next {
        let hibernate = std::mem::take(&mut self.ctx.hibernate);
        match (self.ctx.stop.take(), reply) {
            (Some(reason), reply) => wit::Next::Stop(wit::Stopping { reason: reason.as_str().to_owned(), reply }),
            (None, reply) if hibernate => wit::Next::Hibernate(reply),
            (None, Some(reply)) => wit::Next::Reply(reply),
            (None, None) => wit::Next::Noreply,
        }
    }
}

fn write<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    codec::to_json(value).map_err(|error| Error::from(error).context("writing the answer"))
}

impl<P: Process> Live for Running<P> {
    fn handle(&mut self, event: wit::Event) -> wit::Next {
        let reply = match event {
            wit::Event::Call(wit::Call { from, message }) => {
                self.ctx.turn(Some(from), None);
                self.call(&message).transpose()
            }
            event => {
                let timer = if let wit::Event::Timer(timer) = &event { Some(timer.id) } else { None };
                self.ctx.turn(None, timer);
                self.tell(event).err().map(Err)
            }
        };
        self.next(reply.map(|reply| reply.map_err(|error| error.to_string())))
    }

    fn save(&self) -> Result<Vec<u8>, String> {
        saved::write(P::FORMAT, &self.state).map_err(|error| error.context(whose::<P>()).to_string())
    }

    fn replay(&mut self, events: &[Vec<u8>]) -> Result<(), String> {
        let replay = |event: &Vec<u8>| self.state.on_replay(event);
        events.iter().try_for_each(replay).map_err(|error| error.context(whose::<P>()).to_string())
    }

    fn terminate(&mut self, reason: &str) {
        self.state.on_terminate(&reason.into());
    }
}

/// What `apply` is given.
#[allow(clippy::missing_errors_doc, reason = "it passes on what it is given")]
pub fn replayed<T: DeserializeOwned>(event: &[u8]) -> Result<T> {
    read(event, "event")
}
