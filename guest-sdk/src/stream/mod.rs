//! Event streams: the plugin is asked once, when a client comes; the host does the rest.

mod event;
mod export;
pub(crate) mod opener;
mod opening;

pub use event::{Event, EventStream};
pub use export::open;
pub use opener::Opener;
pub use opening::Opening;

#[cfg(test)]
mod tests;
