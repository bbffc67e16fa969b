//! Clients of Phoenix's socket protocol, thousands in one thread: what they say is bytes made beforehand, and what they hear
//! is looked at no further than where frames end. They read into one buffer that all of them share.
//!
//! | module | holds |
//! |---|---|
//! | `frame` | frames of the wire, as a client writes and reads them |
//! | `door` | where sockets are opened and which topic is joined there; opening many |
//! | `crowd` | clients that listen |
//! | `talk` | clients that ask and wait for the reply |
//! | `floor` | a server that does nothing but write the same bytes: what no server can beat |

mod crowd;
mod door;
mod floor;
mod frame;
mod talk;

pub use crowd::{Crowd, Heard};
pub use door::{Door, Opened};
pub use floor::{Floor, serve_floor};
pub use frame::text_frame;
pub use talk::{Talk, ask, talk};
