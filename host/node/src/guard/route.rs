//! A route that is guarded.

use std::future::ready;
use std::sync::Arc;

use axum::body::Body;
use http::Request;
use skep_types::{Call, PluginName};
use skep_web::{Handler, HandlerFuture, RequestBody};

use crate::guard::HandlerGuard;
use crate::plugin::Plugin;

/// A route of a plugin, with a breaker of its own.
///
/// A call is judged when the head of its answer is there. A stream that breaks off later counts for the revision's
/// probation and not here: streams may go on for hours, and how one ended says little of the handler by then.
pub(crate) struct PluginRoute {
    pub(crate) plugin: Arc<Plugin>,
    pub(crate) guard: Arc<HandlerGuard>,
}

impl Handler for PluginRoute {
    fn plugin(&self) -> &PluginName {
        self.plugin.name()
    }

    fn call(&self, call: Call, request: Request<RequestBody>) -> HandlerFuture {
        let admitted = self.guard.admit().and_then(|permit| Ok((permit, self.plugin.serving()?)));
        let (permit, revision) = match admitted {
            Ok(admitted) => admitted,
            Err(failure) => return Box::pin(ready(Err(failure))),
        };
        // Outside of the future, which would carry the request along.
        let client = call.client;
        let handling = revision.handle(call, request);
        Box::pin(async move {
            let answer = handling.await;
            permit.done(answer.as_ref().map(|_| ()), Some(client));
            Ok(answer?.map(Body::new))
        })
    }
}
