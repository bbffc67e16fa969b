//! Who is calling, and why.

use std::convert::Infallible;

use crate::{FromRequest, Request};

/// What the host knows about this call. Take it as an argument, or ask for it with [`Context::current`].
///
/// In native tests, where there is no host, it is [`Context::default`] or what
/// [`TestRequest::context`](crate::test::TestRequest::context) says.
///
/// ```
/// use skep_sdk::prelude::*;
///
/// fn whoami(context: Context) -> String {
///     format!("{} on {}", context.plugin, context.node)
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Context {
    /// The plugin's name in the manifest.
    pub plugin: String,
    /// The content hash of the running revision.
    pub revision: String,
    /// The name of the node that runs the call.
    pub node: String,
    /// The id of the request that caused the call; it is in every log line of the call.
    pub request_id: String,
    /// The W3C `traceparent` of this call, to be sent along with outbound requests.
    pub traceparent: String,
    /// When the host cancels the call if it has not answered by then: milliseconds since the Unix epoch.
    pub deadline_ms: u64,
}

impl Context {
    /// The context of the running call.
    #[must_use]
    pub fn current() -> Self {
        #[cfg(target_arch = "wasm32")]
        {
            let info = crate::__private::bindings::imports::skep::plugin::context::current();
            Self {
                plugin: info.plugin,
                revision: info.revision,
                node: info.node,
                request_id: info.request_id,
                traceparent: info.traceparent,
                deadline_ms: info.deadline,
            }
        }
        #[cfg(not(target_arch = "wasm32"))]
        Self::default()
    }

    /// Fuel that this call may still burn; natively there is no limit.
    #[must_use]
    pub fn fuel_left() -> u64 {
        #[cfg(target_arch = "wasm32")]
        {
            crate::__private::bindings::imports::skep::plugin::context::fuel_left()
        }
        #[cfg(not(target_arch = "wasm32"))]
        u64::MAX
    }
}

/// The client of the running call.
pub(crate) fn client() -> Option<String> {
    #[cfg(target_arch = "wasm32")]
    {
        crate::__private::bindings::imports::skep::plugin::context::client()
    }
    #[cfg(not(target_arch = "wasm32"))]
    None
}

impl FromRequest for Context {
    type Rejection = Infallible;

    fn from_request(request: &Request) -> Result<Self, Infallible> {
        // Only a test puts one there.
        Ok(request.extensions().get::<Self>().cloned().unwrap_or_else(Self::current))
    }
}
