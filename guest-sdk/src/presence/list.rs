//! Looking who is there.

use super::{Member, host};
use crate::{
    Result,
    capability::refused,
    pages::{PAGE_ITEMS, Pages},
};

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
    Members { topic: topic.into(), pages: Pages::new() }
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
    pages: Pages<Member>,
}

impl Iterator for Members {
    type Item = Result<Member>;

    fn next(&mut self) -> Option<Self::Item> {
        let Self { topic, pages } = self;
        pages.next(|cursor| {
            let page = host::list(topic, cursor, PAGE_ITEMS);
            let page = page.map_err(|error| refused(error, format!("listing who is in `{topic}`")))?;
            Ok((page.members.into_iter().map(Member::from).collect(), page.cursor))
        })
    }
}
