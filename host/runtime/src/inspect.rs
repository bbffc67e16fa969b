//! What a file is and what it exports, read from its bytes before anything is compiled.

use wasmparser::{Encoding, Parser, Payload};

use crate::engine::EngineKind;

/// How a component answers HTTP requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandlerKind {
    /// `skep:plugin/http-handler`: the fast path.
    Fast,
    /// `wasi:http/incoming-handler@0.2`.
    Wasi02,
    /// `wasi:http/handler@0.3`.
    Wasi03,
}

impl HandlerKind {
    /// The export that makes it so, for messages and logs.
    #[must_use]
    pub const fn export(self) -> &'static str {
        match self {
            Self::Fast => "skep:plugin/http-handler#handle",
            Self::Wasi02 => "wasi:http/incoming-handler#handle",
            Self::Wasi03 => "wasi:http/handler#handle",
        }
    }
}

/// The handlers of `skep:plugin` that a component exports, beside the one for HTTP requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is there or not, independent of the others")]
pub struct Handlers {
    /// `skep:plugin/channel-handler`.
    pub channels: bool,
    /// `skep:plugin/event-stream-handler`.
    pub event_streams: bool,
    /// `skep:plugin/job-handler`.
    pub jobs: bool,
    /// `skep:plugin/process-handler`.
    pub processes: bool,
    /// `skep:plugin/socket-handler`.
    pub sockets: bool,
    /// `skep:plugin/subscriber`.
    pub subscribers: bool,
    /// `skep:plugin/task-handler`.
    pub tasks: bool,
    /// `skep:plugin/cache-warmer`.
    pub warmers: bool,
    /// `skep:plugin/websocket-handler`.
    pub websockets: bool,
}

/// What a component's type says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// How it answers HTTP requests, if it does.
    pub http: Option<HandlerKind>,
    /// What else it handles.
    pub handlers: Handlers,
    /// The engine that it needs.
    pub engine: EngineKind,
    /// The names of its imports.
    pub imports: Vec<String>,
    /// The names of its exports.
    pub exports: Vec<String>,
}

impl Shape {
    /// Whether it exports anything that the host could call.
    #[must_use]
    pub fn handles_something(&self) -> bool {
        self.http.is_some() || self.handlers != Handlers::default()
    }
}

/// Why a file is not a component.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// It is a module.
    #[error(
        "this is a core module, not a component: build for `wasm32-wasip2`, or wrap it with `wasm-tools component new`"
    )]
    Module,
    /// It is nothing that wasm tools make.
    #[error("this is not WebAssembly: it does not start with the `\\0asm` magic number")]
    NotWasm,
    /// It is cut off or damaged.
    #[error("the component is damaged: {0}")]
    Damaged(String),
}

/// Reads a component's imports and exports.
///
/// # Errors
/// When the bytes are not those of a component.
pub fn inspect(wasm: &[u8]) -> Result<Shape, InspectError> {
    if !wasm.starts_with(b"\0asm") {
        return Err(InspectError::NotWasm);
    }
    let damaged = |error: wasmparser::BinaryReaderError| InspectError::Damaged(error.to_string());
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.map_err(damaged)? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => return Err(InspectError::Module),
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    imports.push(import.map_err(damaged)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    exports.push(export.map_err(damaged)?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    let exports_one_of = |prefix: &str| exports.iter().any(|name| name.starts_with(prefix));
    let http = if exports_one_of("skep:plugin/http-handler@0.1.") {
        Some(HandlerKind::Fast)
    } else if exports_one_of("wasi:http/handler@0.3.") {
        Some(HandlerKind::Wasi03)
    } else if exports_one_of("wasi:http/incoming-handler@0.2.") {
        Some(HandlerKind::Wasi02)
    } else {
        None
    };
    let is_03 = |name: &String| name.starts_with("wasi:") && name.contains("@0.3.");
    let engine =
        if imports.iter().any(is_03) || exports.iter().any(is_03) { EngineKind::Concurrent } else { EngineKind::Sync };
    let handlers = Handlers {
        channels: exports_one_of("skep:plugin/channel-handler@0.1."),
        event_streams: exports_one_of("skep:plugin/event-stream-handler@0.1."),
        jobs: exports_one_of("skep:plugin/job-handler@0.1."),
        processes: exports_one_of("skep:plugin/process-handler@0.1."),
        sockets: exports_one_of("skep:plugin/socket-handler@0.1."),
        subscribers: exports_one_of("skep:plugin/subscriber@0.1."),
        tasks: exports_one_of("skep:plugin/task-handler@0.1."),
        warmers: exports_one_of("skep:plugin/cache-warmer@0.1."),
        websockets: exports_one_of("skep:plugin/websocket-handler@0.1."),
    };
    Ok(Shape { http, handlers, engine, imports, exports })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(wat: &str) -> Result<Shape, InspectError> {
        inspect(&wat::parse_str(wat).unwrap())
    }

    #[test]
    fn exports_decide_the_handler_and_the_engine() {
        let exporting =
            |name: &str| shape(&format!("(component (instance $i) (export \"{name}\" (instance $i)))")).unwrap();
        for (name, http, engine) in [
            ("skep:plugin/http-handler@0.1.0", Some(HandlerKind::Fast), EngineKind::Sync),
            ("skep:plugin/http-handler@0.1.7", Some(HandlerKind::Fast), EngineKind::Sync),
            ("skep:plugin/http-handler@0.2.0", None, EngineKind::Sync),
            ("wasi:http/incoming-handler@0.2.0", Some(HandlerKind::Wasi02), EngineKind::Sync),
            ("wasi:http/handler@0.3.0", Some(HandlerKind::Wasi03), EngineKind::Concurrent),
            ("wasi:cli/run@0.2.0", None, EngineKind::Sync),
        ] {
            let shape = exporting(name);
            assert_eq!((shape.http, shape.engine), (http, engine), "{name}");
        }
    }

    #[test]
    fn what_is_not_a_component_is_told_apart() {
        assert!(matches!(shape("(module)"), Err(InspectError::Module)));
        assert!(matches!(inspect(b"<html>"), Err(InspectError::NotWasm)));
        assert!(matches!(inspect(b""), Err(InspectError::NotWasm)));
        let whole = wat::parse_str("(component (core module (func)))").unwrap();
        for at in 4..whole.len() {
            // A cut at the end of a section is a smaller component; every other one is damage. Neither may panic.
            let _ = inspect(&whole[..at]);
        }
        assert!(matches!(inspect(&whole[..whole.len() - 1]), Err(InspectError::Damaged(_))));
    }

    #[test]
    fn names_inside_nested_parts_do_not_count() {
        let nested = r#"(component (component (instance $i) (export "wasi:http/handler@0.3.0" (instance $i))))"#;
        assert_eq!(shape(nested).unwrap().http, None);
    }
}
