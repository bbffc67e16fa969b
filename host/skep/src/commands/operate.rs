//! `ps`, `logs`, `deploy`, `rollback`, `reload`: the commands that speak to a running node.

use std::path::Path;

use anyhow::Context as _;
use skep_admin::api::{Deployed, Line, Reloaded};
use skep_admin::{Client, Endpoint, LogLine};
use skep_manifest::Manifest;

use super::output::{follow, one_line};
use super::time::moment;
use crate::cli::{Deploy, Logs, Ps, Reload, Rollback};

/// The node that serves the manifest in this folder.
pub(super) fn client(dir: &Path) -> anyhow::Result<Client> {
    let data = Manifest::load(dir)?.host.data;
    Ok(Client::new(Endpoint::find(&data)?))
}

#[allow(clippy::print_stdout)] // The command's answer.
pub(crate) async fn ps(args: Ps) -> anyhow::Result<()> {
    if args.tree {
        return super::tree::show(&args.node.dir, args.json).await;
    }
    let client = client(&args.node.dir)?;
    if args.processes.processes {
        return super::processes::list(&client, &args.processes, args.plugin, args.json).await;
    }
    if args.processes.kinds {
        return super::processes::kinds(&client, args.plugin.as_deref(), args.json).await;
    }
    if let Some(plugin) = args.plugin {
        let revisions = client.revisions(&plugin).await?;
        if args.json {
            println!("{}", serde_json::to_string_pretty(&revisions)?);
            return Ok(());
        }
        println!("{:<18} {:<10} {:<26} CURRENT", "REVISION", "ORIGIN", "AT");
        for revision in revisions {
            let (at, current) = (moment(revision.at_ms), if revision.current { "*" } else { "" });
            println!("{:<18} {:<10} {at:<26} {current}", revision.revision, revision.origin);
        }
        return Ok(());
    }
    let status = client.status().await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&status)?);
        return Ok(());
    }
    println!(
        "{} (skep {}, instances {}) on {}",
        status.name,
        status.version,
        status.allocation,
        status.listen.join(", ")
    );
    println!(
        "{:<20} {:<8} {:<18} {:<9} {:>7} {:>7}  ROUTES",
        "PLUGIN", "STATE", "REVISION", "ORIGIN", "RUNNING", "WAITING"
    );
    for plugin in status.plugins {
        println!(
            "{:<20} {:<8} {:<18} {:<9} {:>7} {:>7}  {}",
            plugin.name,
            plugin.state,
            plugin.revision.as_deref().unwrap_or("-"),
            plugin.origin.as_deref().unwrap_or("-"),
            plugin.running,
            plugin.waiting,
            plugin.routes.join(", ")
        );
        if let Some(note) = plugin.note {
            println!("  {}: {}", plugin.state, note.lines().next().unwrap_or_default());
        }
    }
    Ok(())
}

pub(crate) async fn logs(args: Logs) -> anyhow::Result<()> {
    // `--follow` is what everybody types; without it there is nothing else to do.
    let _ = args.follow;
    let client = client(&args.node.dir)?;
    client.logs(args.plugin.as_deref(), |line| follow(&log_line(&line))).await
}

fn log_line(line: &Line<LogLine>) -> String {
    match line {
        Line::Missed { missed } => format!("-- missed {missed}"),
        Line::Gap { gap_after } => format!("-- behind {gap_after} some may be missing"),
        Line::Item(line) => {
            let message = one_line(&line.message);
            format!("{:<5} {} {} {}: {message}", line.level, line.plugin, line.request_id, line.stream)
        }
    }
}

#[allow(clippy::print_stdout)] // The command's answer.
fn print(deployed: &Deployed) {
    match &deployed.previous {
        Some(previous) => println!("{}: {} (was {previous})", deployed.plugin, deployed.revision),
        None => println!("{}: {} (unchanged)", deployed.plugin, deployed.revision),
    }
}

pub(crate) async fn deploy(args: Deploy) -> anyhow::Result<()> {
    let wasm = std::fs::read(&args.file).with_context(|| format!("reading {}", args.file.display()))?;
    print(&client(&args.node.dir)?.deploy(&args.plugin, wasm.into()).await?);
    Ok(())
}

pub(crate) async fn rollback(args: Rollback) -> anyhow::Result<()> {
    print(&client(&args.node.dir)?.rollback(&args.plugin, args.to.as_deref()).await?);
    Ok(())
}

#[allow(clippy::print_stdout)] // The command's answer.
pub(crate) async fn reload(args: Reload) -> anyhow::Result<()> {
    let dir = args.place.as_ref().unwrap_or(&args.node.dir);
    let reloaded = client(dir)?.reload().await?;
    println!("{}", said(&reloaded));
    Ok(())
}

fn said(reloaded: &Reloaded) -> String {
    let parts = [("added", &reloaded.added), ("changed", &reloaded.changed), ("removed", &reloaded.removed)];
    let parts = parts.into_iter().filter(|(_, plugins)| !plugins.is_empty());
    let parts: Vec<_> = parts.map(|(what, plugins)| format!("{what}: {}", plugins.join(", "))).collect();
    let mut text = if parts.is_empty() { "read again: no plugin has changed".to_owned() } else { parts.join("; ") };
    if reloaded.needs_restart {
        text.push_str("\nwhat changed in [host] takes effect when the node is restarted");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reload_says_what_it_did() {
        let mut reloaded = Reloaded::default();
        assert_eq!(said(&reloaded), "read again: no plugin has changed");
        reloaded.added = vec!["shop".to_owned(), "stock".to_owned()];
        reloaded.removed = vec!["cart".to_owned()];
        assert_eq!(said(&reloaded), "added: shop, stock; removed: cart");
        reloaded.needs_restart = true;
        assert!(said(&reloaded).ends_with("\nwhat changed in [host] takes effect when the node is restarted"));
    }

    #[test]
    fn a_guests_line_stays_one_line_and_gives_a_terminal_no_orders() {
        let text = |text: &str| text.to_owned();
        let (level, plugin, request_id) = (text("info"), text("shop"), text("07"));
        let line =
            LogLine { at_ms: 1, level, plugin, request_id, stream: text("stderr"), message: text("a\u{1b}[2J\nb") };
        assert_eq!(log_line(&Line::Item(line)), "info  shop 07 stderr: a\\u{1b}[2J\\nb");
        assert_eq!(log_line(&Line::Missed { missed: 3 }), "-- missed 3");
    }
}
