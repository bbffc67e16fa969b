//! `wasi:keyvalue@0.2.0-draft`.

use skep_bindings::keyvalue_draft::{atomics, batch, store};
use wasmtime::component::Resource;

pub(super) use skep_bindings::keyvalue_draft::Imports;

use super::{PAGE_KEYS, Refusal};
use crate::state::CallState;

store!(Option<u64>, |bucket, cursor| bucket.keys_from("", cursor, PAGE_KEYS));

impl atomics::Host for CallState {
    async fn increment(&mut self, bucket: Bucket, key: String, delta: u64) -> Result<u64, store::Error> {
        let delta = i64::try_from(delta).map_err(|_| store::Error::Other("the delta is over 2^63 - 1".to_owned()))?;
        let sum = self.store_increment(bucket.rep(), &key, delta).await?;
        u64::try_from(sum).map_err(|_| store::Error::Other("the counter is negative".to_owned()))
    }
}

impl batch::Host for CallState {
    async fn get_many(
        &mut self,
        bucket: Bucket,
        keys: Vec<String>,
    ) -> Result<Vec<Option<(String, Vec<u8>)>>, store::Error> {
        let values = self.store_get_many(bucket.rep(), &keys).await?;
        Ok(keys.into_iter().zip(values).map(|(key, value)| value.map(|value| (key, value))).collect())
    }

    async fn set_many(&mut self, bucket: Bucket, key_values: Vec<(String, Vec<u8>)>) -> Result<(), store::Error> {
        Ok(self.store_set_many(bucket.rep(), &key_values).await?)
    }

    async fn delete_many(&mut self, bucket: Bucket, keys: Vec<String>) -> Result<(), store::Error> {
        Ok(self.store_delete_many(bucket.rep(), &keys).await?)
    }
}
