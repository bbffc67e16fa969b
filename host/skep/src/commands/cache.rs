//! `skep cache`: the buckets of a running node.

#![allow(clippy::print_stdout)] // The commands' answers.

use std::io::Write as _;

use anyhow::Context as _;
use skep_admin::Client;
use skep_admin::api::{BucketStatus, EntryStatus, ValueText};
use skep_types::ByteSize;

use super::operate::client;
use super::output::{counted, print_json, shown};
use crate::cli::{Cache, CacheCommand};

/// Keys that one request asks for; the node gives no more either.
const PAGE: usize = 1000;

pub(crate) async fn run(args: Cache) -> anyhow::Result<()> {
    let client = client(&args.dir)?;
    match args.command {
        CacheCommand::Ls { json } => list(&client.caches().await?, json),
        CacheCommand::Stats { bucket, json } => stats(&client.cache(&bucket).await?, json),
        CacheCommand::Keys { bucket, prefix, limit, json } => keys(&client, &bucket, &prefix, limit, json).await,
        CacheCommand::Get { bucket, key, raw, entry, json } => {
            let found = client.cache_entry(&bucket, &key).await?;
            if json {
                print_json(&found)
            } else if raw {
                let bytes = found.value.bytes().context("the node's answer is damaged")?;
                Ok(std::io::stdout().write_all(&bytes)?)
            } else {
                value(&found, entry);
                Ok(())
            }
        }
        CacheCommand::Del { bucket, key } => {
            let deleted = client.cache_delete(&bucket, &key).await?.deleted;
            println!("{}", if deleted { "deleted" } else { "there was none" });
            Ok(())
        }
        CacheCommand::Clear { bucket } => {
            let removed = client.cache_clear(&bucket).await?.removed;
            println!("{} removed", counted(removed, "entry", "entries"));
            Ok(())
        }
    }
}

fn list(buckets: &[BucketStatus], json: bool) -> anyhow::Result<()> {
    if json {
        return print_json(&buckets);
    }
    println!("{:<32} {:<6} {:>10} {:>21} {:>5}", "BUCKET", "KIND", "ENTRIES", "BYTES", "HITS");
    for bucket in buckets {
        println!(
            "{:<32} {:<6} {:>10} {:>21} {:>5}",
            format!("{}/{}", bucket.plugin, bucket.bucket),
            bucket.kind,
            bucket.entries,
            format!("{} / {}", bucket.bytes, ByteSize(bucket.bytes_max)),
            bucket.hit_rate().map_or_else(|| "-".to_owned(), |rate| format!("{rate}%"))
        );
    }
    Ok(())
}

fn stats(bucket: &BucketStatus, json: bool) -> anyhow::Result<()> {
    if json {
        return print_json(bucket);
    }
    let kept = match (bucket.persist, bucket.write_behind) {
        (true, _) => ", persistent",
        (false, true) => ", written behind",
        (false, false) => "",
    };
    println!("{}/{} ({}{kept})", bucket.plugin, bucket.bucket, bucket.kind);
    let entries_max = bucket.entries_max.map_or_else(String::new, |max| format!(" of {max}"));
    let rate = bucket.hit_rate().map_or_else(String::new, |rate| format!(" ({rate}% of reads)"));
    for (name, text) in [
        ("entries", format!("{}{entries_max}", bucket.entries)),
        ("bytes", format!("{} of {}", bucket.bytes, ByteSize(bucket.bytes_max))),
        ("hits", format!("{}{rate}", bucket.hits)),
        ("misses", bucket.misses.to_string()),
        ("loads", format!("{}, {} of them without a value", bucket.loads, bucket.load_failures)),
        ("evicted", format!("{} for entries, {} for bytes", bucket.evicted_entries, bucket.evicted_bytes)),
        ("expired", bucket.expired.to_string()),
        ("removed", bucket.removed.to_string()),
        ("rejected", bucket.rejected.to_string()),
        ("now", format!("{} waiting, {} leases, {} locks", bucket.waiting, bucket.leases, bucket.locks)),
    ] {
        println!("  {name:<9} {text}");
    }
    if let Some(l2) = &bucket.l2 {
        let state = match (&l2.why, l2.tells) {
            (Some(why), _) => format!("down ({why}); memory serves alone"),
            (None, true) => "up, tells what other hosts change".to_owned(),
            (None, false) => "up, does not tell what other hosts change".to_owned(),
        };
        println!("  {:<9} {state}", "l2");
        println!(
            "  {:<9} {} hits, {} misses ({} of them foreign), {} writes, {} told",
            "", l2.hits, l2.misses, l2.foreign, l2.writes, l2.told
        );
        println!("  {:<9} {} errors, {} skipped, {} keys owed", "", l2.errors, l2.skipped, l2.owed);
    }
    if bucket.write_behind {
        let (flushed, failures) = (bucket.flushed, bucket.flush_failures);
        println!(
            "  {:<9} {} not in the store yet, {flushed} flushed, {failures} flushes failed",
            "dirty", bucket.dirty
        );
    }
    Ok(())
}

async fn keys(client: &Client, bucket: &str, prefix: &str, limit: usize, json: bool) -> anyhow::Result<()> {
    let (mut all, mut cursor) = (Vec::new(), None::<String>);
    // Printed as they come: a page may take a while to find.
    while let Some(left) = limit.checked_sub(all.len()).filter(|left| *left > 0) {
        let page = client.cache_keys(bucket, prefix, cursor.as_deref(), left.min(PAGE)).await?;
        if !json {
            page.keys.iter().for_each(|key| println!("{}", shown(key)));
        }
        all.extend(page.keys);
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    if json { print_json(&all) } else { Ok(()) }
}

fn value(entry: &EntryStatus, with_facts: bool) {
    if with_facts {
        let left = entry.time_left_ms.map_or_else(|| "does not end by time".to_owned(), |ms| format!("{ms} ms left"));
        println!("version {}, {left}, {} bytes", entry.version, entry.bytes);
    }
    match &entry.value {
        ValueText::Text(text) => println!("{}", shown(text)),
        ValueText::Hex(digits) => println!("{digits}"),
    }
}
