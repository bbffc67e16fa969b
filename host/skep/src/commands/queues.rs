//! `skep queues`, `skep cron`: where the jobs of a running node wait, and the calendar that inserts some.

#![allow(clippy::print_stdout)] // The commands' answers.

use skep_admin::Client;
use skep_admin::api::{JobState, QueueStatus, ScheduleStatus};

use super::operate::client;
use super::output::print_json;
use super::time::{moment, span};
use crate::cli::{Cron, CronCommand, Queues, QueuesCommand};

pub(crate) async fn run(args: Queues) -> anyhow::Result<()> {
    let (client, json) = (client(&args.dir)?, args.json);
    let queues = match args.command.unwrap_or(QueuesCommand::Ls { plugin: None }) {
        QueuesCommand::Ls { plugin } => {
            let queues = client.queues(plugin.as_deref()).await?;
            if json {
                return print_json(&queues);
            }
            queues
        }
        command => {
            let queue = change(&client, command).await?;
            if json {
                return print_json(&queue);
            }
            vec![queue]
        }
    };
    print!("{}", queues_table(&queues));
    Ok(())
}

async fn change(client: &Client, command: QueuesCommand) -> anyhow::Result<QueueStatus> {
    match command {
        QueuesCommand::Pause { queue } => client.pause_queue(&queue, true).await,
        QueuesCommand::Resume { queue } => client.pause_queue(&queue, false).await,
        // `--reset` goes without a number.
        QueuesCommand::Scale { queue, concurrency, .. } => client.scale_queue(&queue, concurrency).await,
        QueuesCommand::Ls { .. } => anyhow::bail!("a list changes nothing"),
    }
}

fn queues_table(queues: &[QueueStatus]) -> String {
    let mut table = format!("{:<28} {:>11}", "QUEUE", "HERE");
    for state in JobState::ALL {
        table.push_str(&format!(" {:>9}", state.as_str().to_uppercase()));
    }
    table.push_str("  NOTES\n");
    for queue in queues {
        let (name, here) =
            (format!("{}/{}", queue.plugin, queue.queue), format!("{} / {}", queue.running, queue.concurrency));
        let mut row = format!("{name:<28} {here:>11}");
        for state in JobState::ALL {
            row.push_str(&format!(" {:>9}", queue.counts.get(state)));
        }
        row.push_str(&format!("  {}", notes(queue)));
        table.push_str(row.trim_end());
        table.push('\n');
    }
    table
}

/// What is not so for every queue.
fn notes(queue: &QueueStatus) -> String {
    let mut notes = Vec::new();
    if !queue.served {
        notes.push("its plugin is not here".to_owned());
    }
    if queue.paused {
        notes.push("paused".to_owned());
    }
    if queue.scaled {
        notes.push("scaled by an operator".to_owned());
    }
    if let Some(most) = queue.global_concurrency {
        notes.push(format!("at most {most} on all nodes"));
    }
    if let Some(rate) = queue.rate {
        notes.push(format!("at most {} in {}", rate.jobs, span(rate.per_ms)));
    }
    notes.join(", ")
}

pub(crate) async fn cron(args: Cron) -> anyhow::Result<()> {
    let client = client(&args.dir)?;
    match args.command.unwrap_or(CronCommand::Ls { plugin: None }) {
        CronCommand::Ls { plugin } => {
            let schedules = client.schedules(plugin.as_deref()).await?;
            if args.json {
                return print_json(&schedules);
            }
            print!("{}", schedules_table(&schedules));
        }
        CronCommand::Run { schedule } => {
            let enqueued = client.run_schedule(&schedule).await?;
            if args.json {
                return print_json(&enqueued);
            }
            let was_there = if enqueued.was_there { ", which was there already" } else { "" };
            println!("job {} ({}){was_there}", enqueued.id, enqueued.state);
        }
    }
    Ok(())
}

fn schedules_table(schedules: &[ScheduleStatus]) -> String {
    let mut table =
        format!("{:<28} {:<18} {:<20} {:<24} {:<24} {:<24}\n", "SCHEDULE", "WHEN", "TIME ZONE", "JOB", "LAST", "NEXT");
    let at = |ms: Option<u64>| ms.map_or_else(|| "-".to_owned(), moment);
    for schedule in schedules {
        let queue = schedule.queue.as_ref().map(|queue| format!(" in {queue}")).unwrap_or_default();
        table.push_str(&format!(
            "{:<28} {:<18} {:<20} {:<24} {:<24} {:<24}\n",
            format!("{}/{}", schedule.plugin, schedule.name),
            schedule.schedule,
            schedule.time_zone,
            format!("{}{queue}", schedule.job),
            at(schedule.last_tick_ms),
            at(schedule.next_tick_ms)
        ));
    }
    table
}

#[cfg(test)]
mod tests {
    use skep_admin::api::{JobCounts, RateStatus};

    use super::*;

    fn squeezed(table: &str) -> Vec<String> {
        table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    }

    #[test]
    fn a_queue_says_what_is_special() {
        let mail = QueueStatus {
            plugin: "shop".to_owned(),
            queue: "mail".to_owned(),
            counts: JobCounts::of([0, 1, 2, 3, 4, 5, 6, 7]),
            served: true,
            running: 3,
            concurrency: 10,
            ..QueueStatus::default()
        };
        let mut slow = QueueStatus { paused: true, scaled: true, ..mail.clone() };
        slow.global_concurrency = Some(20);
        slow.rate = Some(RateStatus { jobs: 100, per_ms: 60_000 });
        let gone = QueueStatus { served: false, running: 0, concurrency: 0, ..mail.clone() };
        let rows = squeezed(&queues_table(&[mail, slow, gone]));
        assert_eq!(
            rows[0],
            "QUEUE HERE SUSPENDED SCHEDULED AVAILABLE EXECUTING RETRYABLE COMPLETED CANCELLED DISCARDED NOTES"
        );
        assert_eq!(rows[1], "shop/mail 3 / 10 0 1 2 3 4 5 6 7");
        assert_eq!(
            rows[2],
            "shop/mail 3 / 10 0 1 2 3 4 5 6 7 paused, scaled by an operator, at most 20 on all nodes, \
             at most 100 in 1m00s"
        );
        assert_eq!(rows[3], "shop/mail 0 / 0 0 1 2 3 4 5 6 7 its plugin is not here");
    }

    #[test]
    fn a_schedule_says_when() {
        let mut nightly = ScheduleStatus {
            plugin: "shop".to_owned(),
            name: "nightly".to_owned(),
            schedule: "0 3 * * *".to_owned(),
            time_zone: "Europe/Berlin".to_owned(),
            job: "report".to_owned(),
            next_tick_ms: Some(250),
            ..ScheduleStatus::default()
        };
        let row = "shop/nightly 0 3 * * * Europe/Berlin report - 1970-01-01T00:00:00.250Z";
        assert_eq!(squeezed(&schedules_table(std::slice::from_ref(&nightly)))[1], row);
        nightly.queue = Some("slow".to_owned());
        assert!(schedules_table(&[nightly]).contains(" report in slow "));
    }
}
