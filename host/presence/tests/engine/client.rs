//! A client that keeps its state as phoenix.js does.

use std::collections::BTreeMap;

use serde_json::Value;

/// By key, the metas.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Client(pub(crate) BTreeMap<String, Vec<Value>>);

fn members(json: &Value) -> impl Iterator<Item = (&String, &Vec<Value>)> {
    json.as_object().unwrap().iter().map(|(key, member)| (key, member["metas"].as_array().unwrap()))
}

fn has(metas: &[Value], meta: &Value) -> bool {
    metas.iter().any(|other| other["phx_ref"] == meta["phx_ref"])
}

impl Client {
    pub(crate) fn of(state: &str) -> Self {
        let state: Value = serde_json::from_str(state).unwrap();
        Self(members(&state).map(|(key, metas)| (key.clone(), metas.clone())).collect())
    }

    /// `Presence.syncDiff` of phoenix.js, line by line.
    pub(crate) fn apply(&mut self, diff: &str) {
        let diff: Value = serde_json::from_str(diff).unwrap();
        for (key, joined) in members(&diff["joins"]) {
            let current = self.0.insert(key.clone(), joined.clone()).unwrap_or_default();
            let kept = current.into_iter().filter(|meta| !has(joined, meta));
            self.0.get_mut(key).unwrap().splice(0..0, kept);
        }
        for (key, left) in members(&diff["leaves"]) {
            let Some(current) = self.0.get_mut(key) else { continue };
            current.retain(|meta| !has(left, meta));
            if current.is_empty() {
                self.0.remove(key);
            }
        }
    }
}
