//! The arrows between crates, as ARCHITECTURE.md draws them.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};
use skep_tests::guests;

/// The crates of the host and what of ours each may know.
const ARROWS: [(&str, &[&str]); 21] = [
    ("skep-types", &[]),
    ("skep-cache", &["skep-types"]),
    ("skep-pubsub", &["skep-types"]),
    ("skep-presence", &["skep-types"]),
    ("skep-channels", &["skep-presence", "skep-pubsub", "skep-types"]),
    ("skep-supervision", &["skep-types"]),
    ("skep-store", &["skep-types"]),
    ("skep-sql", &["skep-types"]),
    ("skep-cron", &[]),
    ("skep-jobs", &["skep-cron", "skep-store", "skep-types"]),
    ("skep-process", &["skep-store", "skep-supervision", "skep-types"]),
    ("skep-behind", &["skep-cache", "skep-store", "skep-types"]),
    ("skep-second", &["skep-cache", "skep-types"]),
    ("skep-manifest", &["skep-cron", "skep-types"]),
    ("skep-bindings", &[]),
    (
        "skep-runtime",
        &[
            "skep-bindings",
            "skep-cache",
            "skep-channels",
            "skep-jobs",
            "skep-manifest",
            "skep-presence",
            "skep-process",
            "skep-pubsub",
            "skep-second",
            "skep-sql",
            "skep-store",
            "skep-types",
        ],
    ),
    ("skep-web", &["skep-cache", "skep-channels", "skep-pubsub", "skep-types"]),
    ("skep-admin", &[]),
    ("skep-top", &["skep-admin"]),
    (
        "skep-node",
        &[
            "skep-admin",
            "skep-behind",
            "skep-cache",
            "skep-channels",
            "skep-jobs",
            "skep-manifest",
            "skep-presence",
            "skep-process",
            "skep-pubsub",
            "skep-runtime",
            "skep-second",
            "skep-sql",
            "skep-store",
            "skep-supervision",
            "skep-types",
            "skep-web",
        ],
    ),
    ("skep", &["skep-admin", "skep-manifest", "skep-node", "skep-runtime", "skep-top", "skep-types"]),
];

/// The only crates that know wasmtime.
const KNOW_WASMTIME: [&str; 2] = ["skep-bindings", "skep-runtime"];

#[test]
fn the_arrows_are_the_documented_ones() {
    let metadata = MetadataCommand::new().manifest_path(guests::root().join("Cargo.toml")).no_deps().exec().unwrap();
    let host: BTreeMap<String, BTreeSet<String>> = metadata
        .packages
        .iter()
        .filter(|package| package.manifest_path.as_str().contains("/host/"))
        .map(|package| {
            let normal = package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal);
            (package.name.to_string(), normal.map(|dependency| dependency.name.clone()).collect())
        })
        .collect();
    let documented: BTreeMap<_, _> = ARROWS.into_iter().collect();
    assert_eq!(host.keys().map(String::as_str).collect::<Vec<_>>(), documented.keys().copied().collect::<Vec<_>>());
    for (name, dependencies) in &host {
        let ours: BTreeSet<&str> =
            dependencies.iter().map(String::as_str).filter(|name| host.contains_key(*name)).collect();
        let allowed: BTreeSet<&str> = documented[name.as_str()].iter().copied().collect();
        assert_eq!(ours, allowed, "{name}: change ARCHITECTURE.md and this table together, if the arrow is meant");
        let knows_wasmtime = dependencies.iter().any(|name| name.starts_with("wasmtime"));
        assert_eq!(knows_wasmtime, KNOW_WASMTIME.contains(&name.as_str()), "{name} and wasmtime");
    }
}
