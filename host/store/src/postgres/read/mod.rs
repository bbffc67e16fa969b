//! Every read.
//!
//! | module | holds |
//! |---|---|
//! | `items` | key-value data |
//! | `jobs` | jobs, for operators and for whoever waits for one |
//! | `overview` | queues: how many jobs they have, and what operators said of them |
//! | `plugins` | schedules, and what each plugin uses |
//! | `processes` | processes and their events |
//! | `mail` | mail of a process |
//! | `due` | whoever has timers or mail that are due |

pub(super) mod due;
pub(super) mod items;
pub(super) mod jobs;
pub(super) mod mail;
pub(super) mod overview;
pub(super) mod plugins;
pub(super) mod processes;

use bytes::Bytes;
use skep_types::PluginName;
use tokio_postgres::Row;

use super::batch::get;
use super::fault::Fault;
use crate::number::sql;

/// So many rows are asked for: one more than there is room for, to know whether there are more.
fn rows_max(limit: usize) -> i64 {
    sql(limit as u64).saturating_add(1)
}

/// A text as PostgreSQL takes it; none if it takes none like it, and so has none.
fn text(text: &str) -> Option<String> {
    (!text.contains('\0')).then(|| text.to_owned())
}

/// The first text behind all those that begin so; none, if there is none.
fn text_end_of(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        // The order of texts by their bytes is that of their characters by their numbers.
        if let Some(next) = (last..=char::MAX).nth(1) {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

fn bytes(row: &Row, at: usize) -> Result<Bytes, Fault> {
    Ok(Bytes::copy_from_slice(get(row, at)?))
}

/// A name that was written as one.
fn plugin_name(row: &Row, at: usize) -> Result<PluginName, Fault> {
    let text: &str = get(row, at)?;
    PluginName::new(text).map_err(|_| Fault::Failed(format!("`{text}` is no name")))
}

#[cfg(test)]
mod tests {
    use super::text_end_of;

    #[test]
    fn a_prefix_ends_before_its_last_character_grows() {
        assert_eq!(text_end_of("a/").as_deref(), Some("a0"));
        assert_eq!(text_end_of("é").as_deref(), Some("ê"));
        assert_eq!(text_end_of("a\u{d7ff}").as_deref(), Some("a\u{e000}"));
        assert_eq!(text_end_of("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(text_end_of("\u{10ffff}"), None);
        assert_eq!(text_end_of(""), None);
    }
}
