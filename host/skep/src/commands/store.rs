//! `skep store`: what the plugins of a running node keep, and moving what a stopped one keeps.

#![allow(clippy::print_stdout)] // The commands' answers.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use skep_admin::Client;
use skep_admin::api::{StoreUsage, StoredItem, StoredKey, ValueText};
use skep_manifest::Manifest;
use skep_types::ByteSize;

use super::operate::client;
use super::output::{one_line, print_json, shown};
use super::processes::ask;
use super::time::moment;
use crate::cli::{Store, StoreCommand};

/// Keys that one request asks for; the node gives no more either.
const PAGE: usize = 1000;

pub(crate) async fn run(args: Store) -> anyhow::Result<()> {
    if let StoreCommand::Copy { yes } = args.command {
        return copy(&args.dir, yes, args.json).await;
    }
    let (client, json) = (client(&args.dir)?, args.json);
    match args.command {
        // It was done above: it needs no node.
        StoreCommand::Copy { .. } => {}
        StoreCommand::Usage => {
            let usage = client.store_usage().await?;
            if json {
                return print_json(&usage);
            }
            print!("{}", usage_table(&usage));
        }
        StoreCommand::Ls { plugin, prefix, limit } => return list(&client, &plugin, &prefix, limit, json).await,
        StoreCommand::Get { plugin, key, raw, item } => {
            let found = client.store_item(&plugin, &key).await?;
            if json {
                return print_json(&found);
            }
            if raw {
                let bytes = found.value.bytes().context("the node's answer is damaged")?;
                return Ok(std::io::stdout().write_all(&bytes)?);
            }
            value(&found, item);
        }
        StoreCommand::Backup { file } => {
            let backup = client.backup(&absolute(&file)?).await?;
            if json {
                return print_json(&backup);
            }
            println!("{}: {} bytes", backup.path, backup.bytes);
        }
    }
    Ok(())
}

/// It is no running node's: the manifest says where everything is.
async fn copy(dir: &Path, yes: bool, json: bool) -> anyhow::Result<()> {
    let host = Manifest::load(dir)?.host;
    let question = format!("copy the store in {} to the PostgreSQL of `[host.store]`?", host.data.display());
    if !yes && !ask(&question)? {
        anyhow::bail!("nothing was copied");
    }
    let copied = skep_node::copy_store(&host).await?;
    if json {
        let tables: std::collections::BTreeMap<_, _> = copied.tables.into_iter().collect();
        return print_json(&tables);
    }
    print!("{}", copied_table(&copied.tables));
    println!("start the node: it has its store in PostgreSQL now; keep {} until you are sure", host.data.display());
    Ok(())
}

fn copied_table(tables: &[(&str, u64)]) -> String {
    let mut text = format!("{:<24} {:>12}\n", "TABLE", "ROWS");
    for (table, rows) in tables {
        text.push_str(&format!("{table:<24} {rows:>12}\n"));
    }
    text
}

/// The node is in a folder of its own, so it is told where the file is from here.
fn absolute(file: &Path) -> anyhow::Result<String> {
    let path = std::path::absolute(file).with_context(|| format!("{} is no path", file.display()))?;
    path.into_os_string().into_string().map_err(|path| anyhow::anyhow!("{} is not UTF-8", path.display()))
}

fn usage_table(usage: &[StoreUsage]) -> String {
    let mut table = format!("{:<24} {:>10} {:>10} {:>28}\n", "PLUGIN", "ITEMS", "JOBS", "BYTES");
    for StoreUsage { plugin, items, jobs, bytes, quota } in usage {
        let quota = quota.map_or_else(|| "-".to_owned(), |quota| ByteSize(quota).to_string());
        table.push_str(&format!("{plugin:<24} {items:>10} {jobs:>10} {:>28}\n", format!("{bytes} / {quota}")));
    }
    table
}

async fn list(client: &Client, plugin: &str, prefix: &str, limit: usize, json: bool) -> anyhow::Result<()> {
    let (mut all, mut cursor) = (Vec::new(), None::<String>);
    while let Some(left) = limit.checked_sub(all.len()).filter(|left| *left > 0) {
        let page = client.store_keys(plugin, prefix, cursor.as_deref(), left.min(PAGE)).await?;
        all.extend(page.keys);
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    if json {
        return print_json(&all);
    }
    print!("{}", keys_table(&all));
    if cursor.is_some() {
        eprintln!("there may be more: give a longer PREFIX, or a larger `--limit`");
    }
    Ok(())
}

fn end_of(expires_at_ms: Option<u64>) -> String {
    expires_at_ms.map_or_else(|| "-".to_owned(), moment)
}

/// Keys stand last: they may be long.
fn keys_table(keys: &[StoredKey]) -> String {
    let mut table = format!("{:>12} {:<24} KEY\n", "VERSION", "ENDS");
    for StoredKey { key, version, expires_at_ms } in keys {
        table.push_str(&format!("{version:>12} {:<24} {}\n", end_of(*expires_at_ms), one_line(key)));
    }
    table
}

fn value(item: &StoredItem, with_facts: bool) {
    if with_facts {
        let end = item.expires_at_ms.map_or_else(|| "never ends".to_owned(), |at| format!("ends {}", moment(at)));
        println!("version {}, {end}, {} bytes", item.version, item.bytes);
    }
    match &item.value {
        ValueText::Text(text) => println!("{}", shown(text)),
        ValueText::Hex(digits) => println!("{digits}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_copied_is_counted() {
        let table = copied_table(&[("items", 12), ("jobs", 0)]);
        let rows: Vec<Vec<_>> = table.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows, [["items", "12"], ["jobs", "0"]]);
    }

    #[test]
    fn tables_say_what_is_kept() {
        let usage = StoreUsage { plugin: "shop".to_owned(), items: 2, jobs: 3, bytes: 99, quota: Some(1 << 20) };
        let gone = StoreUsage { quota: None, plugin: "gone".to_owned(), ..usage.clone() };
        let table = usage_table(&[usage, gone]);
        let rows: Vec<Vec<_>> = table.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows, [vec!["shop", "2", "3", "99", "/", "1", "MiB"], vec!["gone", "2", "3", "99", "/", "-"]]);
        let key = StoredKey { key: "cart:\n42".to_owned(), version: 7, expires_at_ms: Some(250) };
        let forever = StoredKey { expires_at_ms: None, ..key.clone() };
        let table = keys_table(&[key, forever]);
        let rows: Vec<Vec<_>> = table.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows, [["7", "1970-01-01T00:00:00.250Z", "cart:\\n42"], ["7", "-", "cart:\\n42"]]);
    }
}
