//! The attribute macros of `skep-sdk`. Plugins reach them as `skep` through the SDK's prelude.
//!
//! Every macro leaves the author's function as it is, checks it natively at the author's lines, and adds the component's
//! export on wasm only.

mod export;
mod http;
mod warmer;

use proc_macro::TokenStream;

/// Makes a function the plugin's HTTP handler.
///
/// Its arguments are extractors, up to twelve in any order, and its return value is an answer; or it takes nothing and
/// returns a `Router`. A plugin has one.
///
/// ```text
/// use skep_sdk::prelude::*;
///
/// #[skep::http]
/// fn hello(req: Request) -> impl IntoResponse {
///     format!("hello {}", req.path())
/// }
/// ```
#[proc_macro_attribute]
pub fn http(arguments: TokenStream, item: TokenStream) -> TokenStream {
    http::HTTP.expand(&arguments.into(), item.into()).into()
}

/// Makes a function the plugin's cache warmer: it fills what is to be warm before anybody asks for it.
///
/// It takes the name it runs under, as `&str`, or nothing, and returns `Result<()>`; the error may be any that `?` takes
/// in a handler. A plugin has one warmer, and its manifest says under which names it runs, and when:
///
/// ```toml
/// [plugins.shop.warmers.prices]
/// every = "1m"
/// required = true
///
/// [plugins.shop.warmers.ranking]
/// every = "10s"
/// ```
///
/// ```text
/// use skep_sdk::prelude::*;
///
/// #[skep::warmer]
/// fn warm(name: &str) -> Result<()> {
///     match name {
///         "prices" => cache::bucket("prices")?.put("all", &prices()?),
///         "ranking" => cache::bucket("board")?.put("ranking", &rank()?),
///         _ => Err("no such warmer".into()),
///     }
/// }
/// ```
///
/// The host runs it under each name at its start and after a reload, and then every so often as the manifest says. Each
/// run is a call like any other: in an instance of its own, with the plugin's limits. An error is logged in one line,
/// with its contexts and causes, and the run is tried again; a `required` warmer holds the host's start back until it
/// succeeds.
///
/// What it puts into a bucket should live longer than the interval, or there is a gap until the next run is through.
#[proc_macro_attribute]
pub fn warmer(arguments: TokenStream, item: TokenStream) -> TokenStream {
    warmer::WARMER.expand(&arguments.into(), item.into()).into()
}
