//! The part of `wasi:http@0.3` that differs: the call runs inside the store's event loop.

use std::pin::Pin;

use http::{Request, Response};
use tokio::sync::oneshot;
use wasmtime::Store;
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::p3::Request as GuestRequest;
use wasmtime_wasi_http::p3::bindings::Service;
use wasmtime_wasi_http::{WasiBody, WasiHttpView as _};

use crate::state::CallState;

/// Resolves when the request's body has been sent to the guest.
type Sent = Pin<Box<dyn Future<Output = Result<(), wasmtime_wasi_http::Error>> + Send>>;

/// Calls the handler, sends its answer's head, and goes on until the guest has no work left.
pub(crate) async fn run(
    store: &mut Store<CallState>,
    guest: &Service,
    request: Request<WasiBody>,
    sender: oneshot::Sender<Result<Response<WasiBody>, ErrorCode>>,
) -> wasmtime::Result<()> {
    store
        .run_concurrent(async |accessor| -> wasmtime::Result<()> {
            let (request, sent) = accessor.with(|mut store| {
                let (request, sent) = GuestRequest::from_http(store.data_mut().http().hooks, request);
                (request, Box::pin(sent) as Sent)
            });
            match guest.handle(accessor, request).await? {
                Ok(response) => {
                    let response = accessor.with(|store| response.into_http(store, sent))?;
                    // A client that is gone already needs no answer.
                    let _ = sender.send(Ok(response));
                }
                Err(code) => {
                    let _ = sender.send(Err(ErrorCode::InternalError(Some(format!("{code:?}")))));
                }
            }
            std::future::poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)).await;
            Ok(())
        })
        .await?
}
