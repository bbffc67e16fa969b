//! What a channel does.

use super::{
    ACTIONS_MAX, ASSIGNS_BYTES_MAX, Channels, Life, Received, SUBSCRIPTIONS_MAX, WORLD, cast, check, stopped, turn::end,
};
use crate::{
    __private::bindings::{
        channels::exports::skep::plugin::channel_handler::{Action, Event},
        imports::skep::plugin::types::Error,
    },
    channel::{End, Payload},
    double::{World, processes},
};

/// Does it in its order. If one of them breaks a rule none is done, and the channel has crashed.
pub(super) fn perform(channel: &str, ref_: Option<&str>, actions: Vec<Action>) {
    let checked = WORLD.with_borrow(|world| {
        if actions.len() > ACTIONS_MAX {
            return Err(Error::TooLarge(ACTIONS_MAX as u64));
        }
        actions.iter().try_for_each(|action| allowed(world, action))
    });
    if let Err(error) = checked {
        end(channel, End::Crashed(format!("an action breaks a rule: {error:?}")));
        return;
    }
    for action in actions {
        if let Action::Stop(reason) = action {
            end(channel, stopped(&reason));
            break;
        }
        WORLD.with_borrow_mut(|world| apply(world, channel, ref_, action));
    }
    processes::settle();
}

fn allowed(world: &World, action: &Action) -> Result<(), Error> {
    match action {
        Action::Push(said) | Action::Broadcast(said) | Action::BroadcastFrom(said) => {
            check(&said.event, Payload::from(said.body.clone()).as_bytes())
        }
        Action::Assign(assigns) if assigns.len() > ASSIGNS_BYTES_MAX => Err(Error::TooLarge(ASSIGNS_BYTES_MAX as u64)),
        Action::Subscribe(topics) => {
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
            if !cell.subscriptions.contains(&topics) && cell.subscriptions.len() < SUBSCRIPTIONS_MAX {
                cell.subscriptions.push(topics);
            }
        }
        Action::Unsubscribe(topics) => cell.subscriptions.retain(|there| *there != topics),
        Action::Stop(_) => {}
    }
}

fn told(world: &mut World, channel: &str, said: Event, except: Option<&str>) {
    let Some(topic) = world.channels.all.get(channel).map(|cell| cell.topic.clone()) else { return };
    // It was looked at before the first action was done.
    let _: Result<(), Error> = cast(world, &topic, &said.event, said.body.into(), except);
}
