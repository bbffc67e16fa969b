//! `skep:plugin/subscriber`: messages, each or each batch in a call of its own.

use std::sync::Arc;

use skep_bindings::pubsub::Message;
use skep_bindings::subscriber::Subscription;
use skep_pubsub::SubscriptionId;
use skep_types::{Call, Failure};
use wasmtime::Store;

use crate::drive::errand::Errand;
use crate::linked::{Guest, Role};
use crate::revision::Revision;
use crate::state::CallState;

/// A message on its way to a subscriber's handler.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// The topic as the plugin would write it.
    pub topic: String,
    /// What happened.
    pub event: Option<String>,
    /// Its place in the topic's log, if it is retained.
    pub id: Option<u64>,
    /// The message itself.
    pub data: bytes::Bytes,
}

impl Revision {
    /// Hands messages of one topic to the handler of a subscription, by its name and where they came from, in a fresh instance, under the plugin's limits. Dropping
    /// the future cancels the guest. The end of the call is reported once, whatever it is.
    ///
    /// # Errors
    /// Every way for the call to end without a result; the inner error is the guest's own word.
    pub async fn receive(
        self: &Arc<Self>,
        call: Call,
        subscription: (&str, SubscriptionId),
        messages: &[Incoming],
    ) -> Result<Result<(), String>, Failure> {
        let messages = messages.iter().map(Incoming::to_guest).collect();
        let receive = Receive { name: subscription.0, subscription: subscription.1, messages };
        self.run_errand(call, self.limits().deadline, receive, Ok).await
    }

    /// What the plugin listens to, as the component declares it.
    pub(crate) async fn ask_subscriptions(self: &Arc<Self>, call: Call) -> Result<Vec<Subscription>, Failure> {
        self.run_errand(call, self.limits().deadline, Subscriptions, Ok).await
    }
}

impl Incoming {
    fn to_guest(&self) -> Message {
        Message { topic: self.topic.clone(), event: self.event.clone(), id: self.id, data: self.data.to_vec() }
    }
}

struct Receive<'a> {
    name: &'a str,
    subscription: SubscriptionId,
    messages: Vec<Message>,
}

impl Errand for Receive<'_> {
    type Answer = Result<(), String>;
    const ROLE: Role = Role::Subscriber;

    fn charge(&self) -> usize {
        let texts = |message: &Message| message.topic.len() + message.event.as_ref().map_or(0, String::len);
        self.messages.iter().map(|message| texts(message) + message.data.len()).sum()
    }

    async fn ask(&self, store: &mut Store<CallState>, guest: &Guest) -> Option<wasmtime::Result<Self::Answer>> {
        let Guest::Subscribers(guest) = guest else { return None };
        // So that the call can publish past its own subscription. An instance of a subscriber serves this one call.
        store.data_mut().serving = Some(self.subscription);
        Some(guest.skep_plugin_subscriber().call_receive(store, self.name, &self.messages).await)
    }
}

struct Subscriptions;

impl Errand for Subscriptions {
    type Answer = Vec<Subscription>;
    const ROLE: Role = Role::Subscriber;

    fn charge(&self) -> usize {
        0
    }

    async fn ask(&self, store: &mut Store<CallState>, guest: &Guest) -> Option<wasmtime::Result<Self::Answer>> {
        let Guest::Subscribers(guest) = guest else { return None };
        Some(guest.skep_plugin_subscriber().call_subscriptions(store).await)
    }
}
