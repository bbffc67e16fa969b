//! What guests can import: the whole of WASI 0.2 (and 0.3 on its engine), denied by default, and skep's own interfaces.

use skep_bindings::{cache, channel, context, jobs, presence, process, pubsub, sql, store, tasks, websocket};
use wasmtime::component::{ComponentType, HasSelf, Lift, Linker};
use wasmtime::{Engine, StoreContextMut};

use crate::capability::cache::{GrantedBucket, at_once};
use crate::capability::keyvalue;
use crate::engine::EngineKind;
use crate::state::CallState;

/// The linkers of an engine. What a guest imports is the same in both.
pub(crate) struct Linkers {
    /// For plugins whose buckets have no second tier: what they ask of a bucket is there at once.
    plain: Linker<CallState>,
    tiered: Linker<CallState>,
}

impl Linkers {
    pub(crate) fn new(engine: &Engine, kind: EngineKind) -> wasmtime::Result<Self> {
        let tiered = build(engine, kind)?;
        let mut plain = tiered.clone();
        plain.allow_shadowing(true);
        at_once::add_to_linker(&mut plain)?;
        plain.allow_shadowing(false);
        Ok(Self { plain, tiered })
    }

    /// The linker for a plugin with these buckets.
    pub(crate) fn of(&self, buckets: &[GrantedBucket]) -> &Linker<CallState> {
        let tiered = buckets.iter().any(|granted| granted.bucket.tiered().is_some());
        if tiered { &self.tiered } else { &self.plain }
    }
}

fn build(engine: &Engine, kind: EngineKind) -> wasmtime::Result<Linker<CallState>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    // The same streams, without what the rest of WASI needs: a guest that answers by one does not wait for that to be built.
    linker.allow_shadowing(true);
    wasmtime_wasi_io::add_to_linker_async(&mut linker)?;
    linker.allow_shadowing(false);
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    wasmtime_wasi_config::add_to_linker(&mut linker, CallState::config)?;
    context::add_to_linker::<_, HasSelf<CallState>>(&mut linker, |state| state)?;
    cache::add_to_linker::<_, HasSelf<CallState>>(&mut linker, |state| state)?;
    pubsub::add_to_linker::<_, HasSelf<CallState>>(&mut linker, |state| state)?;
    presence::add_to_linker::<_, HasSelf<CallState>>(&mut linker, |state| state)?;
    tasks::add_to_linker::<_, HasSelf<CallState>>(&mut linker, |state| state)?;
    jobs::add_to_linker::<_, HasSelf<CallState>>(&mut linker, |state| state)?;
    sql::add_to_linker::<_, HasSelf<CallState>>(&mut linker, |state| state)?;
    store::add_to_linker::<_, HasSelf<CallState>>(&mut linker, |state| state)?;
    process::add_to_linker::<_, HasSelf<CallState>>(&mut linker, |state| state)?;
    channel::add_to_linker::<_, HasSelf<CallState>>(&mut linker, |state| state)?;
    websocket::add_to_linker::<_, HasSelf<CallState>>(&mut linker, |state| state)?;
    keyvalue::add_to_linker(&mut linker)?;
    add_logging(&mut linker)?;
    #[cfg(feature = "p3")]
    if kind == EngineKind::Concurrent {
        wasmtime_wasi::p3::add_to_linker(&mut linker)?;
        wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    }
    #[cfg(not(feature = "p3"))]
    let _ = kind;
    Ok(linker)
}

/// `wasi:logging`'s level. Guests make its values, so no code here does.
#[allow(dead_code)]
#[derive(Clone, Copy, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
enum Level {
    #[component(name = "trace")]
    Trace,
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
    #[component(name = "critical")]
    Critical,
}

/// `wasi:logging` is one function that two names are in use for; both mean the same here.
fn add_logging(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    for name in ["wasi:logging/logging", "wasi:logging/logging@0.1.0-draft"] {
        linker.instance(name)?.func_wrap(
            "log",
            |store: StoreContextMut<'_, CallState>, (level, context, message): (Level, String, String)| {
                log(store.data(), level, &context, &message);
                Ok(())
            },
        )?;
    }
    Ok(())
}

fn log(state: &CallState, level: Level, context: &str, message: &str) {
    let allowed = state.stats.take_log_budget(message.len() + context.len());
    if allowed == 0 {
        return;
    }
    let message = message.get(..message.floor_char_boundary(allowed)).unwrap_or_default();
    let (plugin, request_id) = (state.stats.plugin(), state.stats.request_id());
    macro_rules! event {
        ($level:ident) => {
            tracing::$level!(target: "guest", %plugin, %request_id, stream = "log", context, "{message}")
        };
    }
    match level {
        Level::Trace => event!(trace),
        Level::Debug => event!(debug),
        Level::Info => event!(info),
        Level::Warn => event!(warn),
        Level::Error | Level::Critical => event!(error),
    }
}
