//! Looking who is there.

use std::vec;

use super::{Member, host};
use crate::{Result, capability::refused};

/// As many as the host gives: each page is one call to it.
const PAGE_MEMBERS: u32 = 1000;

/// Who is there, in the order of the keys, fetched page by page as they are asked for.
///
/// ```
/// # use skep_sdk::{prelude::*, presence, test};
/// # presence::track(&test::owner(), "room:7", "maja", &json!({"typing": true}))?;
/// for member in presence::list("room:7") {
///     let member = member?;
///     println!("{}: {:?}", member.key, member.data::<serde_json::Value>()?);
/// }
/// # use skep_sdk::serde_json;
/// # Ok::<_, Error>(())
/// ```
pub fn list(topic: impl Into<String>) -> Members {
    Members { topic: topic.into(), page: vec::IntoIter::default(), next: Next::Start }
}

/// Who is there under a key.
///
/// # Errors
/// When the host refuses.
pub fn get(topic: &str, key: &str) -> Result<Option<Member>> {
    let member = host::get(topic, key).map_err(|error| refused(error, format!("looking for `{key}` in `{topic}`")))?;
    Ok(member.map(Member::from))
}

/// How many keys there are.
///
/// # Errors
/// When the host refuses.
pub fn count(topic: &str) -> Result<u64> {
    host::count(topic).map_err(|error| refused(error, format!("counting who is in `{topic}`")))
}

/// Who is there, from [`list`]. It ends after an error.
#[derive(Debug)]
#[must_use = "members are fetched as they are asked for"]
pub struct Members {
    topic: String,
    page: vec::IntoIter<Member>,
    next: Next,
}

#[derive(Debug)]
enum Next {
    Start,
    At(String),
    End,
}

impl Members {
    /// Fetches the next page. It may be empty before the end.
    fn turn(&mut self, cursor: Option<&str>) -> Result<()> {
        let page = host::list(&self.topic, cursor, PAGE_MEMBERS);
        let page = page.map_err(|error| refused(error, format!("listing who is in `{}`", self.topic)))?;
        self.page = page.members.into_iter().map(Member::from).collect::<Vec<_>>().into_iter();
        self.next = page.cursor.map_or(Next::End, Next::At);
        Ok(())
    }
}

impl Iterator for Members {
    type Item = Result<Member>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(member) = self.page.next() {
                return Some(Ok(member));
            }
            // The end, unless the turn says otherwise.
            let turned = match std::mem::replace(&mut self.next, Next::End) {
                Next::Start => self.turn(None),
                Next::At(cursor) => self.turn(Some(&cursor)),
                Next::End => return None,
            };
            if let Err(error) = turned {
                return Some(Err(error));
            }
        }
    }
}
