//! What is listed.

use std::sync::Arc;

use crate::state::{Entry, Ref};

/// One presence, as it is listed and announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta(pub(crate) Arc<Entry>);

impl Meta {
    /// Names this presence; every update gives it a new name.
    #[must_use]
    pub fn id(&self) -> Ref {
        self.0.id()
    }

    /// The name before its last update that others may know it by.
    #[must_use]
    pub fn previous(&self) -> Option<Ref> {
        self.0.previous()
    }

    /// What it lives with.
    #[must_use]
    pub fn owner(&self) -> &str {
        self.0.owner()
    }

    /// A JSON object.
    #[must_use]
    pub fn data(&self) -> &str {
        self.0.data()
    }

    /// Appends the meta of Phoenix's clients: refs first, then the data.
    pub(crate) fn write(&self, out: &mut String) {
        out.push_str("{\"phx_ref\":\"");
        self.id().write(out);
        if let Some(previous) = self.previous() {
            out.push_str("\",\"phx_ref_prev\":\"");
            previous.write(out);
        }
        out.push('"');
        let inside = self.0.data.inside();
        if !inside.is_empty() {
            out.push(',');
            out.push_str(inside);
        }
        out.push('}');
    }
}

/// All presences under one key, as of one user with several tabs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The key.
    pub key: Arc<str>,
    /// In the order of tracking.
    pub metas: Vec<Meta>,
}

/// Some members of a topic, in the order of their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The members.
    pub members: Vec<Member>,
    /// Where to go on; none at the end.
    pub cursor: Option<String>,
}

/// Puts entries that are sorted by key together.
pub(crate) fn group(entries: impl IntoIterator<Item = Arc<Entry>>) -> Vec<Member> {
    let mut members: Vec<Member> = Vec::new();
    for entry in entries {
        match members.last_mut() {
            Some(member) if member.key == entry.key => member.metas.push(Meta(entry)),
            _ => members.push(Member { key: Arc::clone(&entry.key), metas: vec![Meta(entry)] }),
        }
    }
    members
}

/// Appends `{key:{"metas":[..]}}`, the shape of `presence_state`.
pub(crate) fn write_members(members: &[Member], out: &mut String) {
    out.push('{');
    for (at, member) in members.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write_text(&member.key, out);
        out.push_str(":{\"metas\":[");
        for (at, meta) in member.metas.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            meta.write(out);
        }
        out.push_str("]}");
    }
    out.push('}');
}

fn write_text(text: &str, out: &mut String) {
    if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&serde_json::Value::from(text).to_string());
    }
}
