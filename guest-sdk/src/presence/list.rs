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

/// Who is there, as the `Presence` of phoenix.js wants it in `presence_state`: `{"maja": {"metas": [{"phx_ref": "..", ..}]}}`.
///
/// # Errors
/// When the host refuses, or a presence's data is no JSON object.
pub fn state(topic: &str) -> Result<serde_json::Value> {
    let mut state = serde_json::Map::new();
    for member in list(topic) {
        let member = member?;
        let metas = member.metas.iter().map(|meta| {
            let mut data: serde_json::Map<String, serde_json::Value> = meta.data()?;
            data.insert("phx_ref".to_owned(), meta.reference().into());
            if let Some(previous) = meta.previous() {
                data.insert("phx_ref_prev".to_owned(), previous.into());
            }
            Ok(data.into())
        });
        let metas: Vec<serde_json::Value> = metas.collect::<Result<_>>()?;
        state.insert(member.key, serde_json::json!({"metas": metas}));
    }
    Ok(state.into())
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
