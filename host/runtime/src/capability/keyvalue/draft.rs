//! `wasi:keyvalue@0.2.0-draft`.

use skep_bindings::keyvalue_draft::{atomics, batch, store};
use wasmtime::component::Resource;

pub(super) use skep_bindings::keyvalue_draft::Imports;

use super::{PAGE_KEYS, Refusal, refused};
use crate::state::CallState;

type Bucket = Resource<store::Bucket>;

impl From<Refusal> for store::Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoSuchStore => Self::NoSuchStore,
            Refusal::AccessDenied => Self::AccessDenied,
            Refusal::Other(why) => Self::Other(why),
        }
    }
}

impl store::Host for CallState {
    fn open(&mut self, identifier: String) -> Result<Bucket, store::Error> {
        Ok(Resource::new_own(self.open_store(&identifier)?))
    }
}

impl store::HostBucket for CallState {
    fn get(&mut self, this: Bucket, key: String) -> Result<Option<Vec<u8>>, store::Error> {
        Ok(self.store_get(this.rep(), &key)?)
    }

    fn set(&mut self, this: Bucket, key: String, value: Vec<u8>) -> Result<(), store::Error> {
        Ok(self.store_set(this.rep(), &key, &value)?)
    }

    fn delete(&mut self, this: Bucket, key: String) -> Result<(), store::Error> {
        Ok(self.store_delete(this.rep(), &key)?)
    }

    fn exists(&mut self, this: Bucket, key: String) -> Result<bool, store::Error> {
        Ok(self.store_exists(this.rep(), &key)?)
    }

    fn list_keys(&mut self, this: Bucket, cursor: Option<u64>) -> Result<store::KeyResponse, store::Error> {
        let bucket = self.readable(this.rep()).map_err(Refusal::from)?;
        let page = bucket.keys_from("", cursor, PAGE_KEYS).map_err(|error| Refusal::from(refused(error)));
        let (keys, cursor) = page?;
        self.stats.owe(keys.iter().map(String::len).sum());
        Ok(store::KeyResponse { keys, cursor })
    }

    fn drop(&mut self, _: Bucket) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl atomics::Host for CallState {
    fn increment(&mut self, bucket: Bucket, key: String, delta: u64) -> Result<u64, store::Error> {
        let delta = i64::try_from(delta).map_err(|_| store::Error::Other("the delta is over 2^63 - 1".to_owned()))?;
        let sum = self.store_increment(bucket.rep(), &key, delta)?;
        u64::try_from(sum).map_err(|_| store::Error::Other("the counter is negative".to_owned()))
    }
}

impl batch::Host for CallState {
    fn get_many(&mut self, bucket: Bucket, keys: Vec<String>) -> Result<Vec<Option<(String, Vec<u8>)>>, store::Error> {
        let values = self.store_get_many(bucket.rep(), &keys)?;
        Ok(keys.into_iter().zip(values).map(|(key, value)| value.map(|value| (key, value))).collect())
    }

    fn set_many(&mut self, bucket: Bucket, key_values: Vec<(String, Vec<u8>)>) -> Result<(), store::Error> {
        Ok(self.store_set_many(bucket.rep(), &key_values)?)
    }

    fn delete_many(&mut self, bucket: Bucket, keys: Vec<String>) -> Result<(), store::Error> {
        Ok(self.store_delete_many(bucket.rep(), &keys)?)
    }
}
