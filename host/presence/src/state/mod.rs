//! The replicated set of entries, as Phoenix.Tracker's: an add-wins set without tombstones (ORSWOT), whose parts travel
//! as deltas.
//!
//! Every join and every leave of a replica takes the next number of that replica's clock. A replica knows of each other
//! one which numbers it has [seen](Dots) and which entries are alive; an entry whose number was seen and that is not
//! alive has left. So states and deltas are the same thing, seen numbers with the entries alive among them, and merging
//! is the same whether a delta comes late, twice or in another order. Only a replica itself adds and removes its entries.
//!
//! | module | holds |
//! |---|---|
//! | `replica` | who tags entries, and what a tag looks like |
//! | `entry` | one presence |
//! | `dots` | sets of clock numbers, as ranges |
//! | `part` | what is known of one replica, and how two such merge |
//! | `delta` | parts that travel |
//! | `set` | the whole state of one replica |

mod delta;
mod dots;
mod entry;
mod part;
mod replica;
mod set;

pub use delta::{Delta, Digest};
pub use dots::Dots;
pub use entry::Entry;
pub use part::{Changes, Part};
pub use replica::{Ref, Replica};
pub(crate) use set::Join;
pub use set::{REMOVALS_MAX, State};
