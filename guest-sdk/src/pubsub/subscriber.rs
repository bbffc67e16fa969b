//! Listening: the shapes of a subscriber's function, and how messages get into it.

use serde::de::DeserializeOwned;

use super::Message;
use crate::{__private::bindings::imports::skep::plugin::pubsub as wit, Error, Result};

/// What a subscriber takes by value: any serde type, which is decoded from JSON, or the [`Message`] itself.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what a subscriber takes",
    label = "a message cannot become this",
    note = "a subscriber takes any type that implements `serde::de::DeserializeOwned`, or `Message`"
)]
pub trait FromMessage: Sized {
    /// Makes the value.
    ///
    /// # Errors
    /// When the message is no such value.
    fn from_message(message: Message) -> Result<Self>;
}

impl<T: DeserializeOwned> FromMessage for T {
    fn from_message(message: Message) -> Result<Self> {
        message.json()
    }
}

impl FromMessage for Message {
    fn from_message(message: Message) -> Result<Self> {
        Ok(message)
    }
}

/// What a subscriber's return type must be: a `Result` of nothing, with any error that `?` takes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what a subscriber returns",
    label = "a subscriber cannot return this",
    note = "a subscriber returns `Result<()>`, with an error that `?` can make a `skep_sdk::Error`: nobody waits for an answer"
)]
pub trait Heard {
    /// The error as the host has it.
    #[allow(clippy::missing_errors_doc, reason = "it passes on what it is given")]
    fn into_error(self) -> Result<()>;
}

impl<E: Into<Error>> Heard for Result<(), E> {
    fn into_error(self) -> Result<()> {
        self.map_err(Into::into)
    }
}

/// A function that hears messages: of the value, of the topic and the value, or of a batch as `&[Message]`.
///
/// `M` tells the shapes of functions apart and is always inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a subscriber",
    note = "a subscriber is `fn(order: Order) -> Result<()>`, `fn(topic: &str, order: Order) -> Result<()>` or `fn(messages: &[Message]) -> Result<()>`"
)]
pub trait Subscriber<M> {
    /// Handles messages of one topic.
    ///
    /// # Errors
    /// That of the function, or when a message is not what it takes. Where the function takes one message at a time all
    /// of them are tried, as if each had come alone, and the first error is returned.
    fn receive(&self, messages: Vec<Message>) -> Result<()>;
}

/// Marks a function that takes the value alone.
#[derive(Debug)]
pub struct TakesValue;

/// Marks a function that takes the topic, too.
#[derive(Debug)]
pub struct TakesTopic;

/// Marks a function that takes all messages there are.
#[derive(Debug)]
pub struct TakesBatch;

impl<F: Fn(T) -> R, T: FromMessage, R: Heard> Subscriber<(TakesValue, T)> for F {
    fn receive(&self, messages: Vec<Message>) -> Result<()> {
        each(messages, |message| self(T::from_message(message)?).into_error())
    }
}

impl<F: Fn(&str, T) -> R, T: FromMessage, R: Heard> Subscriber<(TakesTopic, T)> for F {
    fn receive(&self, messages: Vec<Message>) -> Result<()> {
        each(messages, |message| {
            let topic = message.topic().to_owned();
            self(&topic, T::from_message(message)?).into_error()
        })
    }
}

impl<F: Fn(&[Message]) -> R, R: Heard> Subscriber<TakesBatch> for F {
    fn receive(&self, messages: Vec<Message>) -> Result<()> {
        self(&messages).into_error()
    }
}

/// One bad message must not keep the others from being handled: coming alone they would be.
fn each(messages: Vec<Message>, hear: impl Fn(Message) -> Result<()>) -> Result<()> {
    let all = messages.len();
    let failed: Vec<_> = messages.into_iter().filter_map(|message| hear(message).err()).collect();
    let count = failed.len();
    match failed.into_iter().next() {
        None => Ok(()),
        Some(error) if all == 1 => Err(error),
        Some(error) => Err(error.context(format!("{count} of {all} messages failed, the first"))),
    }
}

/// What the exported `receive` does for one subscription.
#[allow(clippy::missing_errors_doc, reason = "it passes on what it is given")]
pub fn receive<M>(subscriber: impl Subscriber<M>, messages: Vec<wit::Message>) -> Result<(), String> {
    let messages = messages.into_iter().map(Message::from).collect();
    subscriber.receive(messages).map_err(|error| error.to_string())
}
