//! `ps`, `logs`, `deploy`, `rollback`, `reload`: the commands that speak to a running node.

use std::path::Path;

use anyhow::Context as _;
use skep_admin::api::Deployed;
use skep_admin::{Client, Endpoint};
use skep_manifest::Manifest;

use crate::cli::{Deploy, Dir, Logs, Ps, Rollback};

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
        println!("{:<18} {:<10} {:<26} CURRENT", "REVISION", "ORIGIN", "AT (UNIX MS)");
        for revision in revisions {
            let current = if revision.current { "*" } else { "" };
            println!("{:<18} {:<10} {:<26} {current}", revision.revision, revision.origin, revision.at_ms);
        }
        return Ok(());
    }
    let status = client.status().await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&status)?);
        return Ok(());
    }
    println!("{} (skep {}, {}) on {}", status.name, status.version, status.allocation, status.listen.join(", "));
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

#[allow(clippy::print_stdout)] // The command's answer.
pub(crate) async fn logs(args: Logs) -> anyhow::Result<()> {
    // `--follow` is what everybody types; without it there is nothing else to do.
    let _ = args.follow;
    let client = client(&args.node.dir)?;
    client
        .logs(args.plugin.as_deref(), |line| {
            println!("{:<5} {} {} {}: {}", line.level, line.plugin, line.request_id, line.stream, line.message);
        })
        .await
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
pub(crate) async fn reload(args: Dir) -> anyhow::Result<()> {
    let reloaded = client(&args.dir)?.reload().await?;
    println!("added: {:?}, changed: {:?}, removed: {:?}", reloaded.added, reloaded.changed, reloaded.removed);
    Ok(())
}
