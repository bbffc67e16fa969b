//! A load generator that costs little beside the server that it measures: each request is bytes made beforehand, each
//! answer is parsed no further than its framing, and nothing is shared between threads while it runs.
//!
//! It only talks to this machine: an address that is not loopback is refused when it is parsed.
//!
//! | module | holds |
//! |---|---|
//! | `target` | the URL, which has to be loopback |
//! | `request` | the request's bytes |
//! | `parser` | where an answer ends and what its status is |
//! | `histogram` | latencies, in buckets of less than one per cent |
//! | `pace` | when the next request is due, in a closed or an open loop |
//! | `connection` | one keep-alive connection at work |
//! | `run` | threads and their connections |
//! | `report` | the numbers, for people and for machines |
//! | [`sockets`] | clients of Phoenix's socket protocol, in place of requests |

mod connection;
mod histogram;
mod pace;
mod parser;
mod report;
mod request;
mod run;
pub mod sockets;
mod target;

pub use histogram::Histogram;
pub use parser::{Malformed, Parser, Response};
pub use report::{Errors, Latency, Report};
pub use run::{Error, Options, run};
pub use target::{Target, TargetError};
