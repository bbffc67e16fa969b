//! Test guests, built when the first test needs them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The repository.
pub fn root() -> PathBuf {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR"));
    ours.ancestors().find(|folder| folder.join("ARCHITECTURE.md").exists()).unwrap().to_path_buf()
}

/// Where everything is built: on a disk, not in memory.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // What a test run sets for the host's own build is not meant for guests.
    cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS").current_dir(root());
    // Nor is what cargo tells a program that it runs: build scripts look at it, and would make everything anew for us
    // and once more for the next cargo that is run by hand.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            cargo.env_remove(name);
        }
    }
    cargo
}

fn run(command: &mut Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?} failed; is the wasm target there? `rustup target add wasm32-wasip2`");
}

/// The projects of the guests, each a workspace of its own (those of `tests/guests` share one).
const PROJECTS: [&str; 8] = [
    "tests/guests",
    "tests/guests/foreign/wstd-hello",
    "tests/guests/foreign/waki-hello",
    "tests/guests/foreign/spin-hello",
    "tests/guests/foreign/wasip3-hello",
    "tests/guests/foreign/wasip2-hello",
    "tests/guests/foreign/wasip2-stream",
    "plugins/static-files",
];

/// Builds all guests before the first one is used: a compiler beside a test would disturb what it says about time.
fn built(wasm: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let folder = BUILT.get_or_init(|| {
        let folder = target().join("guests");
        for project in PROJECTS {
            run(cargo()
                .args(["build", "--quiet", "--locked", "--release", "--target", "wasm32-wasip2", "--manifest-path"])
                .arg(root().join(project).join("Cargo.toml"))
                .env("CARGO_TARGET_DIR", &folder));
        }
        folder.join("wasm32-wasip2/release")
    });
    let wasm = folder.join(wasm);
    assert!(wasm.exists(), "{} was not built", wasm.display());
    wasm
}

macro_rules! guest {
    ($(#[$doc:meta])* $name:ident, $wasm:literal) => {
        $(#[$doc])*
        pub fn $name() -> PathBuf {
            built($wasm)
        }
    };
}

guest!(
    /// Misbehaves by path, over `wasi:http` 0.2.
    hostile, "hostile_wasi.wasm");
guest!(
    /// Misbehaves by path, over the fast path.
    hostile_fast, "hostile_fast.wasm");
guest!(
    /// Uses `wasi:config` and `wasi:logging`, over the fast path.
    drafts, "drafts.wasm");
guest!(
    /// Uses `skep:plugin/cache`, over the fast path.
    cache_probe, "cache_probe.wasm");
guest!(
    /// Measures `skep:plugin/cache` from inside.
    cache_bench, "cache_bench.wasm");
guest!(
    /// Publishes for measurements.
    pubsub_bench, "pubsub_bench.wasm");
guest!(
    /// Enqueues and does jobs for measurements.
    jobs_bench, "jobs_bench.wasm");
guest!(
    /// Uses topics, presence, tasks and event streams, by the SDK.
    pubsub_probe, "pubsub_probe.wasm");
guest!(
    /// Enqueues jobs and does them, by the SDK.
    jobs_probe, "jobs_probe.wasm");
guest!(
    /// Uses `skep:plugin/store`, by the SDK.
    store_probe, "store_probe.wasm");
guest!(
    /// Uses `skep:plugin/sql`, by the SDK.
    sql_probe, "sql_probe.wasm");
guest!(
    /// Starts processes and talks to them for measurements.
    process_bench, "process_bench.wasm");
guest!(
    /// Its processes do as they are told, by the SDK.
    process_probe, "process_probe.wasm");
guest!(
    /// A later revision of it: the state of `loader` has another shape.
    process_probe_v2, "process_probe_v2.wasm");
guest!(
    /// The same, and reading the old shape traps.
    process_probe_v2_traps, "process_probe_v2_traps.wasm");
guest!(
    /// The same, and reading the old shape never ends.
    process_probe_v2_loops, "process_probe_v2_loops.wasm");
guest!(
    /// The same, and reading the old shape fails with garbage.
    process_probe_v2_garbage, "process_probe_v2_garbage.wasm");
guest!(
    /// Its channels and WebSockets do as they are told, by the SDK.
    channel_probe, "channel_probe.wasm");
guest!(
    /// Channels for measurements.
    channel_bench, "channel_bench.wasm");
guest!(
    /// Listens, and answers no HTTP requests.
    subscriber_only, "subscriber_only.wasm");
guest!(
    /// Uses `wasi:keyvalue` in both drafts, over the fast path.
    keyvalue, "keyvalue.wasm");
guest!(wstd, "wstd_hello.wasm");
guest!(waki, "waki_hello.wasm");
guest!(spin, "spin_hello.wasm");
guest!(wasip3, "wasip3_hello.wasm");
guest!(wasip2_stream, "wasip2_stream.wasm");
guest!(wasip2_hello, "wasip2_hello.wasm");
guest!(static_files, "skep_static_files.wasm");

/// The same component with another content hash: a custom section changes nothing that runs.
pub fn variant(wasm: &[u8], number: u32) -> Vec<u8> {
    let mut bytes = wasm.to_vec();
    let name = format!("variant-{number:06}");
    bytes.push(0);
    bytes.push(u8::try_from(name.len() + 1).unwrap());
    bytes.push(u8::try_from(name.len()).unwrap());
    bytes.extend_from_slice(name.as_bytes());
    bytes
}

/// A component written as text, under `tests/guests/wat`.
pub fn wat(name: &str) -> PathBuf {
    wat_with(name, |text| text)
}

/// The same with changes to the text.
pub fn wat_with(name: &str, change: impl FnOnce(String) -> String) -> PathBuf {
    let text = std::fs::read_to_string(root().join("tests/guests/wat").join(format!("{name}.wat"))).unwrap();
    let bytes = wat::parse_str(change(text)).unwrap();
    let folder = target().join("guests/wat");
    std::fs::create_dir_all(&folder).unwrap();
    let file = tempfile::NamedTempFile::new_in(&folder).unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let wasm = folder.join(format!("{name}.wasm"));
    file.persist(&wasm).unwrap();
    wasm
}

/// The `skep` program, built like the tests are.
pub fn skep() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            // As one of the workspace's tests: what it depends on is what they were built with.
            run(cargo().args(["test", "--quiet", "--workspace", "--no-run", "--test", "program"]));
            target().join("debug/skep")
        })
        .clone()
}

/// The `skep` program as it is shipped.
pub fn skep_release() -> PathBuf {
    run(cargo().args(["build", "--quiet", "--release", "-p", "skep"]));
    target().join("release/skep")
}

/// The program that measures instances by themselves.
pub fn bench_instantiate() -> PathBuf {
    let bin = "skep-bench-instantiate";
    run(cargo().args(["build", "--quiet", "--release", "-p", "skep-bench", "--bin", bin]));
    target().join("release").join(bin)
}

/// The shortest plugin of the examples.
pub fn hello_rust() -> PathBuf {
    example("hello-rust")
}

/// The example with very many processes.
pub fn rows() -> PathBuf {
    example("rows")
}

/// An example in Rust, built as the template of `skep new` builds.
fn example(package: &str) -> PathBuf {
    let folder = target().join("guests");
    run(cargo()
        .args(["build", "--quiet", "--release", "--target", "wasm32-wasip2", "-p", package])
        .env("CARGO_PROFILE_RELEASE_LTO", "true")
        .env("CARGO_TARGET_DIR", &folder));
    folder.join("wasm32-wasip2/release").join(format!("{}.wasm", package.replace('-', "_")))
}

/// Compiled code shared by all hosts of the tests, as one host shares it between its starts.
pub fn code_cache() -> PathBuf {
    let folder = target().join("guests/code");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
