//! `wasi:keyvalue@0.2.0-draft2`.

use skep_bindings::keyvalue_draft2::{atomics, batch, store};
use wasmtime::component::Resource;

pub(super) use skep_bindings::keyvalue_draft2::Imports;

use super::{PAGE_KEYS, Refusal, take};
use crate::state::CallState;

type Cas = Resource<atomics::Cas>;

store!(Option<String>, |bucket, cursor: Option<String>| {
    let page = bucket.keys("", cursor.as_deref(), PAGE_KEYS)?;
    Ok((page.keys, page.cursor))
});

impl atomics::Host for CallState {
    async fn increment(&mut self, bucket: Bucket, key: String, delta: i64) -> Result<i64, store::Error> {
        Ok(self.store_increment(bucket.rep(), &key, delta).await?)
    }

    async fn swap(&mut self, cas: Cas, value: Vec<u8>) -> Result<(), atomics::CasError> {
        match self.finish_swap(cas.rep(), &value).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(again)) => Err(atomics::CasError::CasFailed(Resource::new_own(again))),
            Err(refusal) => Err(atomics::CasError::StoreError(refusal.into())),
        }
    }
}

impl atomics::HostCas for CallState {
    async fn new(&mut self, bucket: Bucket, key: String) -> Result<Cas, store::Error> {
        Ok(Resource::new_own(self.begin_swap(bucket.rep(), key).await?))
    }

    async fn current(&mut self, this: Cas) -> Result<Option<Vec<u8>>, store::Error> {
        Ok(self.swap_current(this.rep()).await?)
    }

    fn drop(&mut self, this: Cas) -> wasmtime::Result<()> {
        drop(take(&mut self.held.swaps, this.rep()));
        Ok(())
    }
}

impl batch::Host for CallState {
    async fn get_many(
        &mut self,
        bucket: Bucket,
        keys: Vec<String>,
    ) -> Result<Vec<(String, Option<Vec<u8>>)>, store::Error> {
        let values = self.store_get_many(bucket.rep(), &keys).await?;
        Ok(keys.into_iter().zip(values).collect())
    }

    async fn set_many(&mut self, bucket: Bucket, key_values: Vec<(String, Vec<u8>)>) -> Result<(), store::Error> {
        Ok(self.store_set_many(bucket.rep(), &key_values).await?)
    }

    async fn delete_many(&mut self, bucket: Bucket, keys: Vec<String>) -> Result<(), store::Error> {
        Ok(self.store_delete_many(bucket.rep(), &keys).await?)
    }
}
