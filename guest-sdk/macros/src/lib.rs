//! The attribute macros of `skep-sdk`. Plugins reach them as `skep` through the SDK's prelude.
//!
//! Every macro leaves the author's function as it is, checks it natively at the author's lines, and adds the component's
//! export on wasm only.

mod http;

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
    http::expand(&arguments.into(), item.into()).into()
}
