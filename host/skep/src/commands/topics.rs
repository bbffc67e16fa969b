//! `skep topics`, `presence`, `publish`, `tail`: the topics of a running node.

#![allow(clippy::print_stdout)] // The commands' answers.

use std::io::Read as _;

use anyhow::Context as _;
use skep_admin::api::{Line, MemberStatus, MessageStatus, Published, TopicStatus, ValueText};
use skep_types::ByteSize;

use super::operate::client;
use super::output::{follow, follow_json, one_line, print_json};
use crate::cli::{Presence, Publish, Tail, Topics};

/// Topics or members that one request asks for; the node gives no more either.
const PAGE: usize = 1000;

pub(crate) async fn list(args: Topics) -> anyhow::Result<()> {
    let client = client(&args.node.dir)?;
    let (mut all, mut cursor) = (Vec::new(), None::<String>);
    while let Some(left) = args.limit.checked_sub(all.len()).filter(|left| *left > 0) {
        let page = client.topics(&args.prefix, cursor.as_deref(), left.min(PAGE)).await?;
        all.extend(page.topics);
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    if args.json {
        return print_json(&all);
    }
    print!("{}", topics_table(&all));
    if cursor.is_some() {
        eprintln!("there may be more: give a PREFIX, or a larger `--limit`");
    }
    Ok(())
}

fn topics_table(topics: &[TopicStatus]) -> String {
    let mut table = format!("{:<40} {:>11} {:>18} {:>10}\n", "TOPIC", "SUBSCRIBERS", "RETAINED", "PUBLISHED");
    for topic in topics {
        let retained = match topic.retained_messages {
            0 => "-".to_owned(),
            messages => format!("{messages} / {}", ByteSize(topic.retained_bytes)),
        };
        table.push_str(&format!(
            "{:<40} {:>11} {retained:>18} {:>10}\n",
            one_line(&topic.topic),
            topic.subscribers,
            topic.published
        ));
    }
    table
}

pub(crate) async fn presence(args: Presence) -> anyhow::Result<()> {
    let client = client(&args.node.dir)?;
    if args.count {
        let count = client.member_count(&args.topic).await?;
        if args.json {
            return print_json(&count);
        }
        println!("{}", count.count);
        return Ok(());
    }
    let (mut all, mut cursor) = (Vec::new(), None::<String>);
    while let Some(left) = args.limit.checked_sub(all.len()).filter(|left| *left > 0) {
        let page = client.members(&args.topic, cursor.as_deref(), left.min(PAGE)).await?;
        all.extend(page.members);
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    if args.json {
        return print_json(&all);
    }
    print!("{}", members_table(&all));
    if cursor.is_some() {
        eprintln!("there are more: give a larger `--limit`");
    }
    Ok(())
}

/// A line for each presence; those of one key stand together.
fn members_table(members: &[MemberStatus]) -> String {
    let mut table = format!("{:<24} {:<46} {:<14} DATA\n", "KEY", "OWNER", "REF");
    for member in members {
        for meta in &member.metas {
            let (key, owner) = (one_line(&member.key), one_line(&meta.owner));
            table.push_str(&format!("{key:<24} {owner:<46} {:<14} {}\n", meta.name, one_line(&meta.data.to_string())));
        }
    }
    table
}

pub(crate) async fn publish(args: Publish) -> anyhow::Result<()> {
    let data = if args.data == "-" {
        let mut data = Vec::new();
        std::io::stdin().read_to_end(&mut data).context("reading the standard input")?;
        data
    } else {
        args.data.into_bytes()
    };
    let published = client(&args.node.dir)?.publish(&args.topic, args.event.as_deref(), data.into()).await?;
    if args.json {
        return print_json(&published);
    }
    println!("{}", said(&published));
    Ok(())
}

fn said(published: &Published) -> String {
    let id = published.id.map_or_else(|| "not retained".to_owned(), |id| format!("id {id}"));
    let listeners = if published.receivers == 1 { "listener" } else { "listeners" };
    format!("{id}, to {} {listeners}", published.receivers)
}

pub(crate) async fn tail(args: Tail) -> anyhow::Result<()> {
    let client = client(&args.node.dir)?;
    // The topic is known already, unless there may be several.
    let several = args.topics.ends_with('*');
    let each =
        |line: Line<MessageStatus>| if args.json { follow_json(&line) } else { follow(&tail_line(&line, several)) };
    client.tail(&args.topics, args.after, each).await
}

fn tail_line(line: &Line<MessageStatus>, with_topic: bool) -> String {
    let message = match line {
        Line::Missed { missed } => return format!("-- missed {missed}"),
        Line::Gap { gap_after } => {
            return format!("-- behind {gap_after} some may be missing: they are not retained, or not any more");
        }
        Line::Item(message) => message,
    };
    let id = message.id.map_or_else(|| "-".to_owned(), |id| id.to_string());
    let event = message.event.as_deref().map_or_else(|| "-".to_owned(), one_line);
    let data = match &message.data {
        ValueText::Text(text) => one_line(text),
        ValueText::Hex(digits) => format!("hex:{digits}"),
    };
    let topic = if with_topic { format!("{} ", one_line(&message.topic)) } else { String::new() };
    format!("{topic}{id} {event} {data}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line() {
        let mut message = MessageStatus {
            topic: "shop/orders:42".to_owned(),
            id: Some(7),
            event: Some("paid".to_owned()),
            at_ms: 0,
            data: ValueText::Text("{\n8 forged \u{1b}[2J}".to_owned()),
        };
        let shown = |message: &MessageStatus, several| tail_line(&Line::Item(message.clone()), several);
        assert_eq!(shown(&message, false), "7 paid {\\n8 forged \\u{1b}[2J}");
        (message.id, message.event, message.data) = (None, None, ValueText::Hex("00ff".to_owned()));
        assert_eq!(shown(&message, true), "shop/orders:42 - - hex:00ff");
        assert_eq!(tail_line(&Line::Missed { missed: 3 }, true), "-- missed 3");
    }

    #[test]
    fn tables_say_what_there_is() {
        let topic = |topic: &str, retained_messages| TopicStatus {
            topic: topic.to_owned(),
            subscribers: 2,
            retained_messages,
            retained_bytes: 2048,
            published: 9,
        };
        let table = topics_table(&[topic("shop/a", 3), topic("shop/b", 0)]);
        let rows: Vec<Vec<_>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[1..], [vec!["shop/a", "2", "3", "/", "2", "KiB", "9"], vec!["shop/b", "2", "-", "9"]]);
        assert_eq!(said(&Published { id: Some(4), receivers: 1 }), "id 4, to 1 listener");
        assert_eq!(said(&Published { id: None, receivers: 0 }), "not retained, to 0 listeners");
    }
}
