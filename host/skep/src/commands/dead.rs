//! `skep dead`: messages whose subscriber failed for good.

#![allow(clippy::print_stdout)] // The commands' answers.

use skep_admin::api::{DeadLetter, ValueText};

use super::operate::client;
use super::output::{counted, one_line, print_json};
use super::time::moment;
use crate::cli::{Dead, DeadCommand, OfSubscription};

pub(crate) async fn run(args: Dead) -> anyhow::Result<()> {
    let client = client(&args.dir)?;
    let Some(command) = args.command else {
        let letters = client.dead_letters(args.plugin.as_deref(), None).await?;
        if args.json {
            return print_json(&letters);
        }
        print!("{}", table(&letters));
        return Ok(());
    };
    if let Some(plugin) = args.plugin {
        anyhow::bail!("the plugin stands behind the command: `skep dead show {plugin} SUBSCRIPTION`");
    }
    match command {
        DeadCommand::Show(OfSubscription { plugin, subscription }) => {
            let letters = client.dead_letters(Some(&plugin), Some(&subscription)).await?;
            if args.json {
                return print_json(&letters);
            }
            letters.iter().for_each(|letter| println!("{}", whole(letter)));
        }
        DeadCommand::Clear(OfSubscription { plugin, subscription }) => {
            let cleared = client.clear_dead(&plugin, &subscription).await?;
            if args.json {
                return print_json(&cleared);
            }
            println!("{} removed", counted(cleared.removed, "letter", "letters"));
        }
        DeadCommand::Retry(OfSubscription { plugin, subscription }) => {
            let retried = client.retry_dead(&plugin, &subscription).await?;
            if args.json {
                return print_json(&retried);
            }
            println!("{} on the way again", counted(retried.retried, "letter", "letters"));
        }
    }
    Ok(())
}

fn event_of(letter: &DeadLetter) -> String {
    letter.event.as_deref().map_or_else(|| "-".to_owned(), one_line)
}

fn id_of(letter: &DeadLetter) -> String {
    letter.id.map_or_else(|| "-".to_owned(), |id| id.to_string())
}

fn table(letters: &[DeadLetter]) -> String {
    let mut table = format!(
        "{:<24} {:<28} {:<28} {:>6} {:<12} {:>8}  REASON\n",
        "AT", "SUBSCRIPTION", "TOPIC", "ID", "EVENT", "ATTEMPTS"
    );
    for letter in letters {
        table.push_str(&format!(
            "{:<24} {:<28} {:<28} {:>6} {:<12} {:>8}  {}\n",
            moment(letter.at_ms),
            format!("{}/{}", letter.plugin, letter.subscription),
            one_line(&letter.topic),
            id_of(letter),
            event_of(letter),
            letter.attempts,
            one_line(&letter.reason)
        ));
    }
    table
}

fn whole(letter: &DeadLetter) -> String {
    let (data, length) = match &letter.preview {
        ValueText::Text(text) => (one_line(text), text.len()),
        ValueText::Hex(digits) => (format!("hex:{digits}"), digits.len() / 2),
    };
    let more = if letter.bytes > length as u64 { " ..." } else { "" };
    let attempts = if letter.attempts == 1 { "attempt" } else { "attempts" };
    format!(
        "{} {} id {}, event {}, {} {attempts}: {}\n  {} bytes: {data}{more}",
        moment(letter.at_ms),
        one_line(&letter.topic),
        id_of(letter),
        event_of(letter),
        letter.attempts,
        one_line(&letter.reason),
        letter.bytes
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_a_row_each_or_all_that_is_known() {
        let letter = DeadLetter {
            plugin: "shop".to_owned(),
            subscription: "on-order".to_owned(),
            at_ms: 250,
            topic: "shop/orders:42".to_owned(),
            event: None,
            id: Some(7),
            reason: "trap: first\nforged".to_owned(),
            attempts: 3,
            bytes: 300,
            preview: ValueText::Text("{\"a\":\n".to_owned()),
        };
        let row: Vec<_> = table(std::slice::from_ref(&letter))
            .lines()
            .nth(1)
            .unwrap()
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        assert_eq!(row.join(" "), "1970-01-01T00:00:00.250Z shop/on-order shop/orders:42 7 - 3 trap: first\\nforged");
        assert_eq!(
            whole(&letter),
            "1970-01-01T00:00:00.250Z shop/orders:42 id 7, event -, 3 attempts: trap: first\\nforged\n  300 bytes: {\"a\":\\n ..."
        );
    }
}
