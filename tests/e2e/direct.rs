//! Calls of guests without a node around them.

use std::path::Path;
use std::sync::{Arc, Weak};

use skep_node::Node;
use skep_runtime::{CodeCache, Handling, Internal, PluginSpec, RequestBody, Revision, Runtime, RuntimeOptions};
use skep_tests::guests;
use skep_types::{Call, CallObserver, Failure, PluginName, RequestId, Usage};

struct Deaf;

impl CallObserver for Deaf {
    fn ended(&self, _call: &Call, _outcome: Result<u16, &Failure>, _usage: Usage) {}
}

pub(crate) fn runtime(memory_max: usize) -> Runtime {
    let cache = CodeCache::new(guests::code_cache());
    Runtime::new(RuntimeOptions { node: "test".to_owned(), instances: 16, processes: 4, memory_max, cache }).unwrap()
}

pub(crate) async fn load(runtime: &Runtime, wasm: &Path) -> Arc<Revision> {
    let nobody: Internal = Weak::<Node>::new();
    let wasm = std::fs::read(wasm).unwrap().into();
    runtime.load(PluginSpec::new(PluginName::new("direct").unwrap(), wasm, Arc::new(Deaf)), nobody, None).await.unwrap()
}

pub(crate) fn get(revision: &Arc<Revision>, path: &str) -> Handling {
    let id = RequestId::from_bits(1);
    let call = Call { id, client: [127, 0, 0, 1].into(), secure: false, captures: Vec::new(), hops: 0 };
    let request = http::Request::get(format!("http://x{path}")).header("host", "x");
    revision.handle(call, request.body(RequestBody::default()).unwrap())
}
