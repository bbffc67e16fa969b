//! The public HTTP front.
//!
//! | module | holds |
//! |---|---|
//! | [`server`] | listeners, TLS, connection limits and timeouts, graceful shutdown |
//! | `loops` | the threads that look after connections |
//! | [`front`] | one request: who asks, which route, who answers, what the access log says |
//! | [`routes`] | the route table, swapped as a whole |
//! | [`handler`] | what a route leads to, and the layers around it |
//! | [`rate`] | rate limits, in front of a handler |
//! | [`sse`] | event streams that the host writes |
//! | [`socket`] | WebSockets and longpoll sessions that the host owns |
//! | [`forwarded`] | what trusted proxies say of a client |
//! | [`errors`] | error answers: JSON, and in development a page |
//!
//! Nothing here knows wasm: a route leads to a [`Handler`], whoever implements it.

pub mod errors;
pub mod forwarded;
pub mod front;
pub mod handler;
mod loops;
pub mod rate;
pub mod routes;
pub mod server;
pub mod socket;
pub mod sse;
mod watch;

pub use forwarded::TrustedProxies;
pub use front::{Front, FrontOptions};
pub use handler::{Handler, HandlerFuture, Layers, RequestBody};
pub use rate::{RateLimit, RateLimiter, network};
pub use routes::{Pattern, RouteError, RouteTable, Target};
pub use server::{Server, ServerOptions, TlsFiles};
pub use socket::{EndpointOptions, OriginPattern, Origins, SocketEndpoint};
pub use sse::EventStream;
