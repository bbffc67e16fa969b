//! `skep sockets`: the sockets of a running node's clients.

#![allow(clippy::print_stdout)] // The command's answers.

use skep_admin::Client;
use skep_admin::api::{Disconnected, SocketStatus};

use super::operate::client;
use super::output::{one_line, print_json};
use super::time::moment;
use crate::cli::{SocketList, Sockets, SocketsCommand};

/// Sockets that one request asks for; the node gives no more either.
const PAGE: usize = 1000;
/// Topics of a socket that a row shows.
const TOPICS_MAX: usize = 3;

pub(crate) async fn run(args: Sockets) -> anyhow::Result<()> {
    match args.command.unwrap_or(SocketsCommand::Ls) {
        SocketsCommand::Ls => list(&client(&args.dir)?, &args.list, args.json).await,
        SocketsCommand::Disconnect { which } => {
            // Whoever says so may expect that only some are closed.
            anyhow::ensure!(
                !args.list.is_said(),
                "`disconnect` takes an id or a name and nothing else: `--plugin`, `--mount`, `--name` and `--limit` are for lists"
            );
            disconnect(&client(&args.dir)?, &which, args.json).await
        }
    }
}

async fn list(client: &Client, args: &SocketList, json: bool) -> anyhow::Result<()> {
    let (filter, limit) = (args.filter(), args.limit());
    let (mut all, mut cursor, mut total) = (Vec::new(), None::<String>, 0);
    while let Some(left) = limit.checked_sub(all.len()).filter(|left| *left > 0) {
        let page = client.sockets(&filter, cursor.as_deref(), left.min(PAGE)).await?;
        all.extend(page.sockets);
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
        eprintln!("{} of {total}: say which by --plugin, --mount or --name, or give a larger `--limit`", all.len());
    }
    Ok(())
}

async fn disconnect(client: &Client, which: &str, json: bool) -> anyhow::Result<()> {
    // Ids have no slash, and names have one.
    let is_name = which.contains('/');
    let done = if is_name { client.disconnect_sockets(which).await? } else { client.disconnect_socket(which).await? };
    if json {
        return print_json(&done);
    }
    println!("{}", said(done, which));
    Ok(())
}

fn said(done: Disconnected, which: &str) -> String {
    match done.sockets {
        0 => format!("no socket of this node is named `{}`; other nodes are told, if there are any", one_line(which)),
        1 => "1 socket is disconnected".to_owned(),
        sockets => format!("{sockets} sockets are disconnected"),
    }
}

/// Names and topics stand last: they may be long.
fn table(sockets: &[SocketStatus]) -> String {
    let mut table = format!(
        "{:<16} {:<24} {:<15} {:<9} {:<24} {:>8} {:>8} {:>6} {:>7}  {:<24}  CHANNELS\n",
        "ID", "MOUNT", "PEER", "VIA", "SINCE", "RECEIVED", "SENT", "QUEUED", "DROPPED", "NAME"
    );
    for socket in sockets {
        let name = socket.name.as_deref().map_or_else(|| "-".to_owned(), one_line);
        let row = format!(
            "{:<16} {:<24} {:<15} {:<9} {:<24} {:>8} {:>8} {:>6} {:>7}  {name:<24}  {}",
            one_line(&socket.id),
            one_line(&socket.mount),
            one_line(&socket.peer),
            one_line(&socket.transport),
            moment(socket.since_ms),
            socket.received,
            socket.sent,
            socket.queued,
            socket.dropped,
            topics(&socket.channels)
        );
        table.push_str(row.trim_end());
        table.push('\n');
    }
    table
}

/// The first topics, and how many more there are.
fn topics(channels: &[String]) -> String {
    let first = channels.iter().take(TOPICS_MAX).map(|topic| one_line(topic)).collect::<Vec<_>>().join(", ");
    match channels.len().saturating_sub(TOPICS_MAX) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket() -> SocketStatus {
        SocketStatus {
            id: "4f1d2c3b00000007".to_owned(),
            plugin: "chat".to_owned(),
            mount: "chat/socket".to_owned(),
            name: Some("chat/user:42".to_owned()),
            peer: "127.0.0.1".to_owned(),
            transport: "websocket".to_owned(),
            channels: vec!["room:1".to_owned(), "room:\n\u{1b}[2J".to_owned()],
            queued: 1,
            queued_bytes: 2,
            received: 3,
            sent: 4,
            dropped: 5,
            since_ms: 250,
        }
    }

    #[test]
    fn a_socket_is_a_row() {
        let mut plain = SocketStatus { name: None, channels: Vec::new(), ..socket() };
        "longpoll".clone_into(&mut plain.transport);
        let table = table(&[socket(), plain]);
        let rows: Vec<_> = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        let at = "1970-01-01T00:00:00.250Z";
        assert_eq!(
            rows,
            [
                "ID MOUNT PEER VIA SINCE RECEIVED SENT QUEUED DROPPED NAME CHANNELS".to_owned(),
                format!(
                    "4f1d2c3b00000007 chat/socket 127.0.0.1 websocket {at} 3 4 1 5 chat/user:42 room:1, room:\\n\\u{{1b}}[2J"
                ),
                format!("4f1d2c3b00000007 chat/socket 127.0.0.1 longpoll {at} 3 4 1 5 -"),
            ]
        );
    }

    #[test]
    fn a_row_shows_a_few_topics() {
        let of = |count: usize| (1..=count).map(|number| format!("room:{number}")).collect::<Vec<_>>();
        assert_eq!(topics(&of(0)), "");
        assert_eq!(topics(&of(3)), "room:1, room:2, room:3");
        assert_eq!(topics(&of(5)), "room:1, room:2, room:3 and 2 more");
    }

    #[test]
    fn who_disconnects_is_told_how_many() {
        assert_eq!(said(Disconnected { sockets: 1 }, "4f1d2c3b00000007"), "1 socket is disconnected");
        assert_eq!(said(Disconnected { sockets: 7 }, "chat/user:42"), "7 sockets are disconnected");
        let nobody = said(Disconnected { sockets: 0 }, "chat/user:\n");
        assert_eq!(nobody, "no socket of this node is named `chat/user:\\n`; other nodes are told, if there are any");
    }

    #[tokio::test]
    async fn what_narrows_a_list_narrows_nothing_else() {
        use clap::Parser as _;

        use crate::cli::{Cli, Command};
        let cli = Cli::try_parse_from(["skep", "sockets", "disconnect", "chat/user:42", "--limit", "1"]);
        let Command::Sockets(args) = cli.unwrap().command else { panic!("it is another command") };
        let error = run(args).await.unwrap_err().to_string();
        assert!(error.contains("takes an id or a name and nothing else"), "{error}");
    }
}
