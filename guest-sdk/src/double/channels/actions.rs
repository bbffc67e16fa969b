//! What a channel does.

use super::{
    ACTIONS_MAX, ASSIGNS_BYTES_MAX, Channels, Life, Received, SUBSCRIPTIONS_MAX, WORLD, cast, check, stopped,
    turn::{crashed, end},
};
use crate::{
    __private::bindings::{
        channels::exports::skep::plugin::channel_handler::{Action, Event},
        imports::skep::plugin::types::Error,
    },
    channel::Payload,
    double::{World, processes},
    presence,
};

/// Does it in its order. If one of them breaks a rule the channel has crashed, and none behind it is done.
pub(super) fn perform(channel: &str, ref_: Option<&str>, actions: Vec<Action>) {
    let too_many = actions.len() > ACTIONS_MAX;
    for action in actions.into_iter().take(ACTIONS_MAX) {
        if let Err(error) = WORLD.with_borrow(|world| allowed(world, channel, &action)) {
            crashed(channel, &format!("an action breaks a rule: {error:?}"));
            break;
        }
        match action {
            Action::Stop(reason) => {
                end(channel, stopped(&reason));
                break;
            }
            Action::PresenceState => present(channel),
            action => WORLD.with_borrow_mut(|world| apply(world, channel, ref_, action)),
        }
    }
    if too_many {
        crashed(channel, &format!("it did more than {ACTIONS_MAX} things in a call"));
    }
    processes::settle();
}

/// Who is there, for a client that begins to look.
fn present(channel: &str) {
    let topic = WORLD.with_borrow(|world| world.channels.all.get(channel).map(|cell| cell.topic.clone()));
    let state = topic.and_then(|topic| presence::state(&topic).ok()).unwrap_or_default();
    let said = Event { event: "presence_state".to_owned(), body: Payload::Json(state.to_string()).into() };
    WORLD.with_borrow_mut(|world| apply(world, channel, None, Action::Push(said)));
}

fn allowed(world: &World, channel: &str, action: &Action) -> Result<(), Error> {
    match action {
        Action::Push(said) | Action::Broadcast(said) | Action::BroadcastFrom(said) => {
            check(&said.event, &Payload::from(said.body.clone()))
        }
        Action::Assign(assigns) if assigns.len() > ASSIGNS_BYTES_MAX => Err(Error::TooLarge(ASSIGNS_BYTES_MAX as u64)),
        Action::Reply(reply) => check("phx_reply", &Payload::from(reply.body.clone())),
        Action::Subscribe(topics) => {
            let cell = world.channels.all.get(channel);
            if cell.is_some_and(|cell| cell.subscriptions.len() >= SUBSCRIPTIONS_MAX) {
                return Err(Error::Full);
            }
            let topic = topics.strip_suffix('*').filter(|prefix| !prefix.is_empty()).unwrap_or(topics);
            world.pubsub.rules(topic).map(|_| ())
        }
        _ => Ok(()),
    }
}

fn apply(world: &mut World, channel: &str, ref_: Option<&str>, action: Action) {
    let Channels { all, replies, .. } = &mut world.channels;
    let Some(cell) = all.get_mut(channel) else { return };
    match action {
        Action::Reply(reply) => {
            if let Some(waiting) = ref_.and_then(|ref_| replies.get_mut(ref_)) {
                waiting.get_or_insert((reply.status.into(), reply.body.into()));
            }
        }
        Action::Push(Event { event, body }) => cell.inbox.push(Received { event, payload: body.into() }),
        Action::Broadcast(said) => told(world, channel, said, None),
        Action::BroadcastFrom(said) => told(world, channel, said, Some(channel)),
        Action::Assign(assigns) => cell.life = Life::Handed(assigns),
        Action::Subscribe(topics) => {
            if !cell.subscriptions.contains(&topics) {
                cell.subscriptions.push(topics);
            }
        }
        Action::Unsubscribe(topics) => cell.subscriptions.retain(|there| *there != topics),
        Action::PresenceState | Action::Stop(_) => {}
    }
}

fn told(world: &mut World, channel: &str, said: Event, except: Option<&str>) {
    let Some(topic) = world.channels.all.get(channel).map(|cell| cell.topic.clone()) else { return };
    // It was looked at before.
    let _: Result<(), Error> = cast(world, &topic, &said.event, said.body.into(), except);
}
