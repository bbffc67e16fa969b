//! `skep ps --tree`, `skep resume`: the supervision tree of a running node.

#![allow(clippy::print_stdout)] // The commands' answers.

use std::path::Path;

use skep_admin::api::{BreakerStatus, NodeKind, TreeNode};

use super::operate::client;
use super::output::{one_line, print_json};
use super::time::span;
use crate::cli::Resume;

pub(crate) async fn show(dir: &Path, json: bool) -> anyhow::Result<()> {
    let tree = client(dir)?.tree().await?;
    if json {
        return print_json(&tree);
    }
    print!("{}", table(&tree));
    Ok(())
}

pub(crate) async fn resume(args: Resume) -> anyhow::Result<()> {
    let resumed = client(&args.node.dir)?.resume(&args.path).await?;
    println!("{} tries again", resumed.path);
    Ok(())
}

fn table(root: &TreeNode) -> String {
    let mut rows = Vec::new();
    walk(root, "", "", &mut rows);
    // Names are indented and guests have a say in them, so the widest decides.
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default().max(4);
    let mut table =
        format!("{:<width$}  {:<10} {:<20} {:>7} {:>8}  NOTES\n", "NAME", "KIND", "STATE", "SINCE", "RESTARTS");
    for (name, node) in rows {
        let kind = match node.kind {
            NodeKind::Supervisor => "supervisor",
            NodeKind::Worker => "worker",
        };
        let (state, since) = (one_line(&node.state), span(node.since_ms));
        let row = format!("{name:<width$}  {kind:<10} {state:<20} {since:>7} {:>8}  {}", node.restarts, notes(node));
        table.push_str(row.trim_end());
        table.push('\n');
    }
    table
}

fn walk<'a>(node: &'a TreeNode, branch: &str, below: &str, rows: &mut Vec<(String, &'a TreeNode)>) {
    rows.push((format!("{branch}{}", one_line(&node.name)), node));
    let last = node.children.len().saturating_sub(1);
    for (at, child) in node.children.iter().enumerate() {
        let (corner, line) = if at == last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        walk(child, &format!("{below}{corner}"), &format!("{below}{line}"), rows);
    }
}

/// What is not so for every node.
fn notes(node: &TreeNode) -> String {
    let mut notes = Vec::new();
    if node.gave_up {
        notes.push(format!("gave up: `skep resume {}`", one_line(&node.path)));
    }
    if let Some(ms) = node.next_retry_ms {
        notes.push(format!("tries again in {}", span(ms)));
    }
    match node.breaker {
        None | Some(BreakerStatus::Closed) => {}
        Some(BreakerStatus::Open { until_ms }) => notes.push(format!("breaker open for {}", span(until_ms))),
        Some(BreakerStatus::HalfOpen) => notes.push("breaker half-open".to_owned()),
    }
    if let Some(strategy) = &node.strategy {
        notes.push(strategy.clone());
    }
    if let Some(exit) = &node.last_exit {
        notes.push(format!("last exit: {}", one_line(exit)));
    }
    notes.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, state: &str, children: Vec<TreeNode>) -> TreeNode {
        let kind = if children.is_empty() { NodeKind::Worker } else { NodeKind::Supervisor };
        TreeNode {
            name: name.to_owned(),
            kind,
            state: state.to_owned(),
            since_ms: 250_000,
            children,
            ..TreeNode::default()
        }
    }

    #[test]
    fn the_tree_is_drawn_with_what_needs_attention() {
        let mut order = node("on-order", "down", vec![]);
        (order.restarts, order.last_exit) = (3, Some("failed: first\nforged".to_owned()));
        let mut subscribers = node("subscribers", "gave up", vec![order]);
        (subscribers.gave_up, subscribers.path) = (true, "host/shop/subscribers".to_owned());
        let mut route = node("GET /", "running", vec![]);
        route.breaker = Some(BreakerStatus::Open { until_ms: 1500 });
        let mut shop = node("shop", "running", vec![subscribers, route]);
        shop.strategy = Some("one-for-one".to_owned());
        let mut mail = node("mail", "backing off", vec![node("tasks", "down", vec![])]);
        mail.next_retry_ms = Some(800);
        let text = table(&node("host", "running", vec![shop, mail]));
        let expected = [
            "NAME                   KIND       STATE                  SINCE RESTARTS  NOTES",
            "host                   supervisor running                4m10s        0",
            "├─ shop                supervisor running                4m10s        0  one-for-one",
            "│  ├─ subscribers      supervisor gave up                4m10s        0  gave up: `skep resume host/shop/subscribers`",
            "│  │  └─ on-order      worker     down                   4m10s        3  last exit: failed: first\\nforged",
            "│  └─ GET /            worker     running                4m10s        0  breaker open for 1.5s",
            "└─ mail                supervisor backing off            4m10s        0  tries again in 800ms",
            "   └─ tasks            worker     down                   4m10s        0",
        ];
        let squeezed = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(text.lines().map(squeezed).collect::<Vec<_>>(), expected.map(squeezed));
        let columns = text.lines().skip(1).map(|line| line.chars().position(|c| c == 's' || c == 'w').is_some());
        assert!(columns.clone().all(|found| found) && columns.count() == 7);
    }
}
