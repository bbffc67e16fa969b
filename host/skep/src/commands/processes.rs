//! `skep ps --processes`, `inspect`, `kill`, `restart`, `top`: the processes of a running node.

#![allow(clippy::print_stdout)] // The commands' answers.

use std::io::{IsTerminal as _, Write as _};

use anyhow::Context as _;
use skep_admin::Client;
use skep_admin::api::{KindStatus, ProcessDetail, ProcessDone, ProcessOp, ProcessState, ProcessStatus};
use skep_top::Wish;
use skep_types::ByteSize;

use super::operate::client;
use super::output::{one_line, print_json};
use super::time::span;
use crate::cli::{Inspect, Kill, PsProcesses, Restart, Top, WhichProcess};

/// Processes that one request asks for; the node gives no more either.
const PAGE: usize = 1000;

pub(super) async fn list(
    client: &Client,
    args: &PsProcesses,
    plugin: Option<String>,
    json: bool,
) -> anyhow::Result<()> {
    let (filter, sort, limit) = (args.filter(plugin), args.sort(), args.limit());
    let (mut all, mut cursor, mut total) = (Vec::new(), None::<String>, 0);
    while let Some(left) = limit.checked_sub(all.len()).filter(|left| *left > 0) {
        let page = client.processes(&filter, sort, cursor.as_deref(), left.min(PAGE)).await?;
        all.extend(page.processes);
        (cursor, total) = (page.cursor, page.total);
        if cursor.is_none() {
            break;
        }
    }
    if json {
        return print_json(&all);
    }
    print!("{}", table(&all));
    if cursor.is_some() {
        eprintln!("{} of {total}: say which by --prefix, --kind or --state, or give a larger `--limit`", all.len());
    }
    Ok(())
}

pub(super) async fn kinds(client: &Client, plugin: Option<&str>, json: bool) -> anyhow::Result<()> {
    let kinds = client.process_kinds(plugin).await?;
    if json {
        return print_json(&kinds);
    }
    print!("{}", kinds_table(&kinds));
    Ok(())
}

pub(crate) async fn inspect(args: Inspect) -> anyhow::Result<()> {
    let detail = client(&args.node.dir)?.process(&args.process).await?;
    if args.json {
        return print_json(&detail);
    }
    print!("{}", whole(&detail));
    Ok(())
}

pub(crate) async fn kill(args: Kill) -> anyhow::Result<()> {
    operate(args.which, if args.for_good { ProcessOp::Stop } else { ProcessOp::Kill }).await
}

pub(crate) async fn restart(args: Restart) -> anyhow::Result<()> {
    operate(args.which, ProcessOp::Restart).await
}

pub(crate) async fn top(args: Top) -> anyhow::Result<()> {
    let every = args.every();
    let wish = Wish { sort: args.sort, filter: args.filter };
    skep_top::run(client(&args.node.dir)?, skep_top::Options { wish, every }).await
}

async fn operate(args: WhichProcess, op: ProcessOp) -> anyhow::Result<()> {
    let client = client(&args.node.dir)?;
    let mut process = args.process;
    if !args.yes {
        let found = client.process(&process).await?;
        if !ask(&question(&found, op))? {
            anyhow::bail!("nothing was done");
        }
        // Whoever has the name by now is not who was asked about.
        process = found.process.pid;
    }
    let done = client.operate_process(&process, op).await?;
    if args.json {
        return print_json(&done);
    }
    println!("{}", said(&done, op));
    Ok(())
}

/// What would be lost.
fn question(detail: &ProcessDetail, op: ProcessOp) -> String {
    let who = who(&detail.process.pid, detail.process.name.as_deref());
    let lost = match detail.persistence.as_str() {
        "none" => "the message in hand is lost, and its state: it begins with `init` again",
        "snapshot" => "the message in hand is lost, and what was not written yet",
        _ => "the message in hand is lost",
    };
    match op {
        ProcessOp::Kill => format!("kill {who}? {lost}"),
        ProcessOp::Restart => format!("restart {who}? {lost}"),
        ProcessOp::Stop => format!("end {who} for good? what is kept of it is deleted"),
    }
}

/// Asks at the terminal; where nobody can answer, it is no.
pub(super) fn ask(question: &str) -> anyhow::Result<bool> {
    let stdin = std::io::stdin();
    anyhow::ensure!(stdin.is_terminal(), "nobody is there to be asked: give `--yes` to do it");
    eprint!("{question} [y/N] ");
    std::io::stderr().flush().ok();
    let mut answer = String::new();
    stdin.read_line(&mut answer).context("reading the answer")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn said(done: &ProcessDone, op: ProcessOp) -> String {
    let what = match op {
        ProcessOp::Kill => "killed",
        ProcessOp::Restart => "started again",
        ProcessOp::Stop => "ended for good",
    };
    format!("{} {what}", who(&done.pid, done.name.as_deref()))
}

fn who(pid: &str, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("{} ({})", one_line(pid), one_line(name)),
        None => one_line(pid),
    }
}

/// Names stand last but for what is wrong: they may be long.
fn table(processes: &[ProcessStatus]) -> String {
    let mut table = format!(
        "{:<36} {:<11} {:>7} {:>12} {:>10} {:>7}  {:<24}  NOTES\n",
        "PID", "STATE", "MAILBOX", "MEMORY", "MESSAGES", "CRASHES", "NAME"
    );
    for process in processes {
        let name = process.name.as_deref().map_or_else(|| "-".to_owned(), one_line);
        let row = format!(
            "{:<36} {:<11} {:>7} {:>12} {:>10} {:>7}  {name:<24}  {}",
            one_line(&process.pid),
            process.state,
            process.mailbox,
            ByteSize(process.memory).to_string(),
            process.messages,
            process.crashes,
            process.trouble.as_deref().map(one_line).unwrap_or_default()
        );
        table.push_str(row.trim_end());
        table.push('\n');
    }
    table
}

fn kinds_table(kinds: &[KindStatus]) -> String {
    let mut table = format!("{:<28} {:<10} {:>19}", "KIND", "KEEPS", "PROCESSES");
    for state in ProcessState::ALL {
        table.push_str(&format!(" {:>11}", state.as_str().to_uppercase()));
    }
    table.push('\n');
    for kind in kinds {
        let (name, of) = (format!("{}/{}", kind.plugin, kind.kind), format!("{} / {}", kind.counts.total(), kind.max));
        table.push_str(&format!("{:<28} {:<10} {of:>19}", one_line(&name), one_line(&kind.persistence)));
        for state in ProcessState::ALL {
            table.push_str(&format!(" {:>11}", kind.counts.get(state)));
        }
        table.push('\n');
    }
    table
}

fn whole(detail: &ProcessDetail) -> String {
    let process = &detail.process;
    let mut text = format!("{}: {}\n", who(&process.pid, process.name.as_deref()), process.state);
    let mut say = |name: &str, what: String| text.push_str(&format!("  {name:<10} {what}\n"));
    if let Some(trouble) = &process.trouble {
        say("trouble", one_line(trouble));
    }
    if let Some(ms) = detail.again_in_ms {
        say("again in", span(ms));
    }
    say("keeps", format!("{}, version {}", one_line(&detail.persistence), detail.version));
    if let Some(why) = &detail.upgrade_failed {
        say("upgrade", format!("goes on with an older revision: {}", one_line(why)));
    }
    if detail.keeps_before {
        say("upgrade", "the state before it is kept for a rollback".to_owned());
    }
    say("mailbox", format!("{} waiting, {} taken and not answered", process.mailbox, detail.late));
    if let Some(pid) = &detail.waits_for {
        say("waits for", one_line(pid));
    }
    say("messages", format!("{}, {} crashes", process.messages, process.crashes));
    say("memory", ByteSize(process.memory).to_string());
    say("idle for", span(detail.idle_ms));
    for timer in &detail.timers {
        say("timer", format!("{} due in {}", timer.id, span(timer.due_in_ms)));
    }
    for monitor in &detail.monitors {
        say("monitors", one_line(&monitor.pid));
    }
    say("watchers", detail.watchers.to_string());
    let traps = if detail.traps_exits { ", whose end comes as a message" } else { "" };
    for link in &detail.links {
        say("linked to", format!("{}{traps}", one_line(link)));
    }
    for topic in &detail.subscriptions {
        say("listens to", one_line(topic));
    }
    text
}

#[cfg(test)]
mod tests {
    use skep_admin::api::{MonitorStatus, ProcessCounts, TimerStatus};

    use super::*;

    fn process() -> ProcessStatus {
        ProcessStatus {
            pid: "shop/cart/0c9k3v8d4m000".to_owned(),
            plugin: "shop".to_owned(),
            kind: "cart".to_owned(),
            name: Some("cart:42".to_owned()),
            state: ProcessState::GaveUp,
            mailbox: 3,
            memory: 2048,
            messages: 17,
            crashes: 5,
            trouble: Some("trap:\nforged".to_owned()),
        }
    }

    fn detail() -> ProcessDetail {
        ProcessDetail {
            process: process(),
            persistence: "durable".to_owned(),
            version: 2,
            upgrade_failed: Some("load: trap".to_owned()),
            keeps_before: true,
            idle_ms: 250_000,
            again_in_ms: Some(800),
            timers: vec![TimerStatus { id: 7, due_in_ms: 1500 }],
            monitors: vec![MonitorStatus { reference: 1, pid: "bank/account/1".to_owned() }],
            watchers: 2,
            links: vec!["shop/stock/2".to_owned()],
            traps_exits: true,
            subscriptions: vec!["shop/orders:*".to_owned()],
            late: 1,
            waits_for: Some("bank/account/1".to_owned()),
        }
    }

    fn squeezed(text: &str) -> Vec<String> {
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    }

    #[test]
    fn a_process_is_a_row() {
        let anonymous = ProcessStatus { name: None, state: ProcessState::Idle, trouble: None, ..process() };
        assert_eq!(
            squeezed(&table(&[process(), anonymous])),
            [
                "PID STATE MAILBOX MEMORY MESSAGES CRASHES NAME NOTES",
                "shop/cart/0c9k3v8d4m000 gave-up 3 2 KiB 17 5 cart:42 trap:\\nforged",
                "shop/cart/0c9k3v8d4m000 idle 3 2 KiB 17 5 -",
            ]
        );
    }

    #[test]
    fn a_kind_is_a_row_with_what_its_processes_do() {
        let counts = ProcessCounts::of([1, 2, 3, 4, 5, 6, 7, 8]);
        let (plugin, kind, persistence) = ("shop".to_owned(), "cart".to_owned(), "none".to_owned());
        let rows = squeezed(&kinds_table(&[KindStatus { plugin, kind, persistence, counts, max: 1000 }]));
        assert_eq!(rows[0], "KIND KEEPS PROCESSES STARTING IDLE BUSY ASLEEP STORED BACKING-OFF GAVE-UP QUARANTINED");
        assert_eq!(rows[1], "shop/cart none 36 / 1000 1 2 3 4 5 6 7 8");
    }

    #[test]
    fn all_that_is_known_of_a_process_is_told() {
        let expected = "\
shop/cart/0c9k3v8d4m000 (cart:42): gave-up
  trouble    trap:\\nforged
  again in   800ms
  keeps      durable, version 2
  upgrade    goes on with an older revision: load: trap
  upgrade    the state before it is kept for a rollback
  mailbox    3 waiting, 1 taken and not answered
  waits for  bank/account/1
  messages   17, 5 crashes
  memory     2 KiB
  idle for   4m10s
  timer      7 due in 1.5s
  monitors   bank/account/1
  watchers   2
  linked to  shop/stock/2, whose end comes as a message
  listens to shop/orders:*
";
        assert_eq!(whole(&detail()), expected);
    }

    #[test]
    fn who_is_asked_is_told_what_is_lost() {
        let who = "shop/cart/0c9k3v8d4m000 (cart:42)";
        let mut detail = detail();
        assert_eq!(question(&detail, ProcessOp::Kill), format!("kill {who}? the message in hand is lost"));
        "none".clone_into(&mut detail.persistence);
        assert!(question(&detail, ProcessOp::Restart).ends_with("and its state: it begins with `init` again"));
        let stop = question(&detail, ProcessOp::Stop);
        assert_eq!(stop, format!("end {who} for good? what is kept of it is deleted"));
        let done = ProcessDone { pid: "shop/cart/1".to_owned(), name: None };
        assert_eq!(said(&done, ProcessOp::Kill), "shop/cart/1 killed");
    }
}
