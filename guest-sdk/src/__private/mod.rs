//! What the macros' expansions name. Not part of the public interface: it changes with the macros, without notice.

pub mod bindings;

use crate::{FromRequest, Handler, warmer::Warmed, web::Answer};
pub use crate::{warmer::warm, web::export::serve};

/// Holds only for an extractor; called with each argument type, so that the error stands at that type.
pub const fn argument<T: FromRequest>() {}

/// Holds only for an answer; called with the return type, so that the error stands at that type.
pub const fn answer<T: Answer>() {}

/// Holds only for a handler; the check of last resort, for a return type without a name.
pub const fn handler<M, H: Handler<M>>(_: &H) {}

/// Holds only for what a warmer returns; called with the return type, so that the error stands at that type.
pub const fn warmed<T: Warmed>() {}
