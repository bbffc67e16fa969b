//! A channel that is a process: the same functions, and a value that stays in its instance.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::{
    Channel, End, Incoming, Joined, Payload, ReplyTo, Socket, Status,
    answer::told,
    export::{answer, log},
    payload::invalid,
};
use crate::{
    __private::bindings::channels::exports::skep::plugin::channel_handler as wit,
    Result,
    process::{Ctx, Process, Protocol, Reason, Unhandled},
    pubsub::Message,
};

/// A channel as a process, of the kind [`Channel::NAME`]: what `#[skep::channel("room:*", process)]` exports. A plugin that has
/// other processes, too, names it, and lists it with them:
///
/// ```
/// # #![allow(clippy::needless_doctest_main)]
/// # use serde::{Deserialize, Serialize};
/// use skep_sdk::{channel::Live, prelude::*};
///
/// # #[derive(Serialize, Deserialize)] pub struct Room;
/// #[skep::channel("room:*", part)]
/// impl Room {
///     fn join() -> Self {
///         Room
///     }
/// }
///
/// pub type LiveRoom = Live<Room>;
///
/// # mod owners {
/// #     use serde::{Deserialize, Serialize};
/// #     use skep_sdk::prelude::*;
/// #     #[derive(Serialize, Deserialize)] pub struct Cart;
/// #     #[skep::process(part)] impl Cart { fn init() -> Self { Cart } }
/// # }
/// #[skep::processes]
/// mod kinds {
///     #[process]
///     use super::LiveRoom;
///     #[process]
///     use super::owners::Cart;
/// }
/// # fn main() {}
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound(serialize = "C: Serialize", deserialize = "C: DeserializeOwned"))]
pub struct Live<C> {
    channel: String,
    topic: String,
    value: C,
}

impl<C> Live<C> {
    /// What the channel remembers.
    #[must_use]
    pub fn get(&self) -> &C {
        &self.value
    }

    /// The same by value.
    #[must_use]
    pub fn into_value(self) -> C {
        self.value
    }
}

/// What a client joins with, as the host writes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Joining {
    channel: String,
    topic: String,
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    ref_: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    assigns: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    assigns_binary: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload_binary: Option<String>,
}

/// What the host tells, as it writes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Told {
    #[serde(rename = "$channel")]
    way: Way,
    event: String,
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    ref_: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload_binary: Option<String>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Way {
    In,
    Out,
}

/// JSON stands there as it is; what is none, in base64.
type Written = (Option<Box<RawValue>>, Option<String>);

fn payload((json, binary): Written) -> Result<Payload> {
    match (json, binary) {
        (Some(json), _) => Ok(Payload::Json(Box::<str>::from(json).into())),
        (None, Some(text)) => match BASE64_STANDARD.decode(text) {
            Ok(bytes) => Ok(Payload::Binary(bytes.into())),
            Err(error) => Err(invalid(error.to_string())),
        },
        (None, None) => Ok(Payload::default()),
    }
}

impl<C: Channel> Live<C> {
    fn socket(&self) -> Socket {
        Socket::new(self.channel.clone(), self.topic.clone(), C::TOPICS)
    }
}

impl<C: Channel> Protocol for Live<C> {
    type Call = Unhandled;
    type Reply = ();
    type Cast = Unhandled;
    type Info = Told;
}

// In errors about the author's own processes it would only be in the way.
#[diagnostic::do_not_recommend]
impl<C: Channel> Process for Live<C> {
    type Args = Joining;
    type Timer = Unhandled;
    const KIND: &'static str = C::NAME;

    fn begin(args: Joining, ctx: &mut Ctx<Self>) -> Result<Self> {
        let Joining { channel, topic, ref_, assigns, assigns_binary, payload: json, payload_binary } = args;
        let assigns = payload((assigns, assigns_binary))?.as_bytes().to_owned();
        let client = ReplyTo::new(ref_);
        let mut socket = Socket::new(channel.clone(), topic.clone(), C::TOPICS).with_assigns(assigns);
        let joined = payload((json, payload_binary)).and_then(|params| C::on_join(params, &mut socket));
        match joined {
            Ok(Joined { channel: value, reply }) => {
                client.send(&Status::Ok, &reply)?;
                perform(socket, None, ctx)?;
                Ok(Self { channel, topic, value })
            }
            Err(error) => {
                client.send(&Status::Error, &told(&error))?;
                Err(error)
            }
        }
    }

    fn on_info(&mut self, told: Told, ctx: &mut Ctx<Self>) -> Result<()> {
        let Told { way, event, ref_, payload: json, payload_binary } = told;
        let message = Incoming::new(event, payload((json, payload_binary))?);
        let mut socket = self.socket().with_ref(ref_.clone());
        match way {
            Way::In => {
                let is_asked = socket.is_asked();
                let reply = self.value.on_in(message, &mut socket);
                answer(&mut socket, reply, is_asked);
            }
            Way::Out => log(self.value.on_out(message, &mut socket)),
        }
        perform(socket, ref_, ctx)
    }

    fn on_published(&mut self, message: Message, ctx: &mut Ctx<Self>) -> Result<()> {
        let mut socket = self.socket();
        log(self.value.on_info(message, &mut socket));
        perform(socket, None, ctx)
    }

    /// It does not know more than that it ends, or the words that it said itself.
    fn on_terminate(&mut self, reason: &Reason) {
        let end = match reason {
            Reason::Shutdown => End::Closed,
            said => End::Stopped(said.as_str().to_owned()),
        };
        let mut socket = self.socket();
        log(self.value.on_terminate(&end, &mut socket).and_then(|()| tell_others(&socket)));
    }
}

/// What a channel does, in its order: what the host does for those that are none.
fn perform<C: Channel>(socket: Socket, ref_: Option<String>, ctx: &mut Ctx<Live<C>>) -> Result<()> {
    let client = ReplyTo::new(ref_);
    for action in &socket.actions {
        match action {
            wit::Action::Reply(reply) => client.send(&reply.status.clone().into(), &reply.body.clone().into())?,
            wit::Action::Push(said) => super::push_payload(socket.id(), &said.event, &said.body.clone().into())?,
            wit::Action::PresenceState => {
                let state = crate::presence::state(socket.topic())?;
                super::push(socket.id(), "presence_state", &state)?;
            }
            wit::Action::Subscribe(topics) => ctx.subscribe(topics)?,
            wit::Action::Unsubscribe(topics) => ctx.unsubscribe(topics)?,
            other => tell_other(other, &socket)?,
        }
    }
    if let Some(reason) = socket.stop {
        ctx.stop(reason);
    }
    Ok(())
}

/// What others are to hear of a channel that has ended.
pub(super) fn tell_others(socket: &Socket) -> Result<()> {
    socket.actions.iter().try_for_each(|action| tell_other(action, socket))
}

fn tell_other(action: &wit::Action, socket: &Socket) -> Result<()> {
    let (said, except) = match action {
        wit::Action::Broadcast(said) => (said, None),
        wit::Action::BroadcastFrom(said) => (said, Some(socket.id().as_str())),
        _ => return Ok(()),
    };
    super::tell::told(socket.topic(), &said.event, &said.body.clone().into(), except)
}

impl Joining {
    /// As the host writes it.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn new(channel: &str, topic: &str, ref_: &str, assigns: &[u8], params: &Payload) -> Self {
        let (payload, payload_binary) = written(params);
        let (assigns, assigns_binary) = match std::str::from_utf8(assigns) {
            Ok(text) => written(&Payload::Json(text.to_owned())),
            Err(_) => written(&Payload::Binary(assigns.to_owned().into())),
        };
        Self {
            channel: channel.to_owned(),
            topic: topic.to_owned(),
            ref_: Some(ref_.to_owned()),
            assigns,
            assigns_binary,
            payload,
            payload_binary,
        }
    }
}

impl Told {
    /// As the host writes it: what the client says, or a broadcast.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn new(event: &str, said: &Payload, is_out: bool, ref_: Option<String>) -> Self {
        let (payload, payload_binary) = written(said);
        let way = if is_out { Way::Out } else { Way::In };
        Self { way, event: event.to_owned(), ref_, payload, payload_binary }
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn written(payload: &Payload) -> Written {
    let json = match payload {
        Payload::Json(text) => RawValue::from_string(text.clone()).ok(),
        Payload::Binary(_) => None,
    };
    match json {
        Some(json) => (Some(json), None),
        None if payload.as_bytes().is_empty() => (None, None),
        None => (None, Some(BASE64_STANDARD.encode(payload.as_bytes()))),
    }
}
