//! `skep top`: a node's live screen in a terminal.
//!
//! | module | holds |
//! |---|---|
//! | [`gather`] | one look at the node: a bounded number of requests, whose answers are bounded |
//! | [`picture`] | a look beside the one before it: what grew, and how fast |
//! | [`ui`] | what the person at the keys has chosen, and what a key does to it |
//! | [`draw`](mod@draw) | a picture and the choices as a screen; it asks for nothing and remembers nothing |
//! | [`mod@run`] | the loop: looks, keys, screens |
//! | [`terminal`] | the terminal, which is given back as it was, whatever happens |
//!
//! It knows the admin client and the terminal, and neither the host nor wasm: a screen is tested without a node.

pub mod draw;
mod format;
pub mod gather;
pub mod picture;
pub mod run;
pub mod terminal;
pub mod ui;

pub use draw::draw;
pub use gather::{Snapshot, Wish};
pub use picture::{Picture, Rates};
pub use run::{Options, run};
pub use ui::{Action, Mode, Ui};
