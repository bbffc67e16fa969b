//! Who is there, as the topic's others see it.

use std::fmt;

use serde::de::DeserializeOwned;

use crate::{__private::bindings::imports::skep::plugin::presence as wit, Result, codec};

/// All presences under one key, as of one user with several tabs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Member {
    /// What was tracked: a user's name, for instance.
    pub key: String,
    /// One for each owner; never none.
    pub metas: Vec<Meta>,
}

impl Member {
    /// What the presences say of themselves.
    ///
    /// # Errors
    /// When one of them is no `T`.
    pub fn data<T: DeserializeOwned>(&self) -> Result<Vec<T>> {
        let read = |meta: &Meta| meta.data().map_err(|error| error.context(format!("reading about `{}`", self.key)));
        self.metas.iter().map(read).collect()
    }
}

/// One presence.
#[derive(Clone)]
pub struct Meta(wit::Meta);

impl Meta {
    /// Names this presence in diffs; every update gives it a new one.
    #[must_use]
    pub fn reference(&self) -> &str {
        &self.0.ref_
    }

    /// The reference before its last update.
    #[must_use]
    pub fn previous(&self) -> Option<&str> {
        self.0.previous.as_deref()
    }

    /// What it says of itself.
    ///
    /// # Errors
    /// When it is no `T`.
    pub fn data<T: DeserializeOwned>(&self) -> Result<T> {
        codec::from_json(self.bytes()).map_err(|error| error.context("reading a presence's data"))
    }

    /// The same as it is: a JSON object.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0.data
    }
}

impl fmt::Debug for Meta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wit::Meta { ref_, previous, data } = &self.0;
        let data = String::from_utf8_lossy(data);
        f.debug_struct("Meta").field("reference", ref_).field("previous", previous).field("data", &data).finish()
    }
}

impl From<wit::Member> for Member {
    fn from(member: wit::Member) -> Self {
        Self { key: member.key, metas: member.metas.into_iter().map(Meta).collect() }
    }
}
