//! Calls of guests without a node around them.

use std::path::Path;
use std::sync::{Arc, Weak};

use http_body_util::BodyExt as _;
use skep_node::Node;
use skep_runtime::{CodeCache, Handling, Internal, PluginSpec, RequestBody, Revision, Runtime, RuntimeOptions};
use skep_tests::guests;
use skep_types::{Call, CallObserver, Failure, PluginName, RequestId, Usage};

struct Deaf;

impl CallObserver for Deaf {
    fn ended(&self, _call: &Call, _outcome: Result<u16, &Failure>, _usage: Usage) {}
}

pub(crate) fn runtime(memory_max: usize) -> Runtime {
    runtime_with(|options| options.memory_max = memory_max)
}

pub(crate) fn runtime_with(change: impl FnOnce(&mut RuntimeOptions)) -> Runtime {
    let cache = CodeCache::new(guests::code_cache());
    let mut options =
        RuntimeOptions { node: "test".to_owned(), instances: 16, processes: 4, memory_max: 1 << 30, cache };
    change(&mut options);
    Runtime::new(options).unwrap()
}

pub(crate) async fn load(runtime: &Runtime, wasm: &Path) -> Arc<Revision> {
    load_with(runtime, wasm, |_| {}).await
}

pub(crate) async fn load_with(runtime: &Runtime, wasm: &Path, change: impl FnOnce(&mut PluginSpec)) -> Arc<Revision> {
    let nobody: Internal = Weak::<Node>::new();
    let wasm = std::fs::read(wasm).unwrap().into();
    let mut spec = PluginSpec::new(PluginName::new("direct").unwrap(), wasm, Arc::new(Deaf));
    change(&mut spec);
    runtime.load(spec, nobody, None).await.unwrap()
}

/// What the guest answers.
pub(crate) async fn body(revision: &Arc<Revision>, path: &str) -> String {
    let response = get(revision, path).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8_lossy(&body).trim().to_owned()
}

pub(crate) fn get(revision: &Arc<Revision>, path: &str) -> Handling {
    let id = RequestId::from_bits(1);
    let call = Call { id, client: [127, 0, 0, 1].into(), secure: false, captures: Vec::new(), hops: 0 };
    let request = http::Request::get(format!("http://x{path}")).header("host", "x");
    Arc::clone(revision).handle(call, request.body(RequestBody::default()).unwrap())
}
