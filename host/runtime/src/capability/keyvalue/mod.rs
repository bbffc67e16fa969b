//! `wasi:keyvalue` over the buckets of `skep:plugin/cache`, in the two drafts that guests are built with.
//!
//! A store is a bucket that the manifest gives to the plugin, by the same name; the empty identifier is the bucket
//! `default`. What is set lives as long as the manifest says for the bucket. The drafts differ in shapes only, so each
//! has its file of conversions and what they mean is here.

/// The interface `store`, which the drafts have in common but for the cursor: its type, and how a page is read from it.
macro_rules! store {
    ($cursor:ty, $page:expr) => {
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
            async fn get(&mut self, this: Bucket, key: String) -> Result<Option<Vec<u8>>, store::Error> {
                Ok(self.store_get(this.rep(), &key).await?)
            }

            async fn set(&mut self, this: Bucket, key: String, value: Vec<u8>) -> Result<(), store::Error> {
                Ok(self.store_set(this.rep(), &key, &value).await?)
            }

            async fn delete(&mut self, this: Bucket, key: String) -> Result<(), store::Error> {
                Ok(self.store_delete(this.rep(), &key).await?)
            }

            async fn exists(&mut self, this: Bucket, key: String) -> Result<bool, store::Error> {
                Ok(self.store_exists(this.rep(), &key).await?)
            }

            fn list_keys(&mut self, this: Bucket, cursor: $cursor) -> Result<store::KeyResponse, store::Error> {
                let (keys, cursor) = self.store_page(this.rep(), cursor, $page)?;
                Ok(store::KeyResponse { keys, cursor })
            }

            fn drop(&mut self, _: Bucket) -> wasmtime::Result<()> {
                Ok(())
            }
        }
    };
}

mod draft;
mod draft2;

use skep_bindings::types::Error;
use skep_cache::{Bucket, Condition, PutOptions, Ttl};
use wasmtime::component::{HasSelf, Linker};

use super::cache::refused;
use super::take;
use crate::state::CallState;

/// Keys of one page: the drafts let the host choose.
const PAGE_KEYS: usize = 1000;

/// Why a store said no, before a draft gives it its own type.
pub(super) enum Refusal {
    NoSuchStore,
    AccessDenied,
    Other(String),
}

/// A compare-and-swap in the making: what the guest saw of a key.
#[derive(Clone, Debug)]
pub(crate) struct Swap {
    store: u32,
    key: String,
    /// `None` if there was no entry.
    version: Option<u64>,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::Denied(_) => Self::AccessDenied,
            Error::NotFound => Self::NoSuchStore,
            Error::TooLarge(limit) => Self::Other(format!("the value is larger than {limit} bytes")),
            Error::Full => Self::Other("the store is full".to_owned()),
            Error::Invalid(why) | Error::Unavailable(why) => Self::Other(why),
            other => Self::Other(format!("{other:?}")),
        }
    }
}

pub(crate) fn add_to_linker(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    draft::Imports::add_to_linker::<_, HasSelf<CallState>>(linker, |state| state)?;
    draft2::Imports::add_to_linker::<_, HasSelf<CallState>>(linker, |state| state)
}

impl CallState {
    fn open_store(&self, identifier: &str) -> Result<u32, Refusal> {
        let name = if identifier.is_empty() { "default" } else { identifier };
        self.open_bucket(name).map_err(|error| match error {
            // A name of its own that a plugin does not declare is no store; one of another plugin is not granted.
            Error::Denied(_) if !name.contains('/') => Refusal::NoSuchStore,
            error => error.into(),
        })
    }

    async fn store_get(&mut self, store: u32, key: &str) -> Result<Option<Vec<u8>>, Refusal> {
        let value = self.readable(store)?.get(key).await.map(|value| value.to_vec());
        self.stats.owe(key.len() + value.as_ref().map_or(0, Vec::len));
        Ok(value)
    }

    async fn store_exists(&mut self, store: u32, key: &str) -> Result<bool, Refusal> {
        self.stats.owe(key.len());
        Ok(self.readable(store)?.exists(key).await)
    }

    async fn store_set(&mut self, store: u32, key: &str, value: &[u8]) -> Result<(), Refusal> {
        self.stats.owe(key.len() + value.len());
        self.writable(store)?.put(key, value, PutOptions::default()).await.map_err(refused)?;
        Ok(())
    }

    async fn store_delete(&mut self, store: u32, key: &str) -> Result<(), Refusal> {
        self.stats.owe(key.len());
        self.writable(store)?.delete(key).await;
        Ok(())
    }

    async fn store_increment(&mut self, store: u32, key: &str, delta: i64) -> Result<i64, Refusal> {
        self.stats.owe(key.len());
        Ok(self.writable(store)?.increment(key, delta, Ttl::Default).await.map_err(refused)?)
    }

    /// A page of keys, read as the draft's cursor wants it.
    fn store_page<C>(
        &self,
        store: u32,
        cursor: C,
        page: impl FnOnce(&Bucket, C) -> Result<(Vec<String>, C), skep_cache::Error>,
    ) -> Result<(Vec<String>, C), Refusal> {
        let memory: &Bucket = self.readable(store)?.memory();
        let (keys, cursor) = page(memory, cursor).map_err(refused)?;
        self.stats.owe(keys.iter().map(String::len).sum());
        Ok((keys, cursor))
    }

    async fn store_get_many(&mut self, store: u32, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, Refusal> {
        Ok(self.read_many(store, keys).await?)
    }

    async fn store_set_many(&mut self, store: u32, entries: &[(String, Vec<u8>)]) -> Result<(), Refusal> {
        self.stats.owe(entries.iter().map(|(key, value)| key.len() + value.len()).sum());
        Ok(self.writable(store)?.put_many(entries, Ttl::Default).await.map_err(refused)?)
    }

    async fn store_delete_many(&mut self, store: u32, keys: &[String]) -> Result<(), Refusal> {
        for key in keys {
            self.store_delete(store, key).await?;
        }
        Ok(())
    }

    /// Notes the version of a key as it is now.
    async fn begin_swap(&mut self, store: u32, key: String) -> Result<u32, Refusal> {
        let version = self.readable(store)?.get_entry(&key).await.map(|entry| entry.version);
        self.stats.owe(key.len());
        let number = self.held.number(self.env.handles_max)?;
        self.held.swaps.push((number, Swap { store, key, version }));
        Ok(number)
    }

    /// The value of a swap's key; from here on the swap is about this value.
    async fn swap_current(&mut self, number: u32) -> Result<Option<Vec<u8>>, Refusal> {
        let swap = self.held.swaps.iter().find(|(other, _)| *other == number);
        let (_, swap) = swap.cloned().ok_or_else(ended)?;
        let entry = self.readable(swap.store)?.get_entry(&swap.key).await;
        let version = entry.as_ref().map(|entry| entry.version);
        let value = entry.map(|entry| entry.value.to_vec());
        self.stats.owe(value.as_ref().map_or(0, Vec::len));
        if let Some((_, swap)) = self.held.swaps.iter_mut().find(|(other, _)| *other == number) {
            swap.version = version;
        }
        Ok(value)
    }

    /// Swaps, or gives a new swap that is about the value as it is now.
    async fn finish_swap(&mut self, number: u32, value: &[u8]) -> Result<Result<(), u32>, Refusal> {
        let swap = take(&mut self.held.swaps, number).ok_or_else(ended)?;
        self.stats.owe(value.len());
        let condition = swap.version.map_or(Condition::IfAbsent, Condition::IfVersion);
        let options = PutOptions { ttl: Ttl::Default, condition };
        let put = self.writable(swap.store)?.put(&swap.key, value, options).await;
        match put {
            Ok(_) => Ok(Ok(())),
            Err(skep_cache::Error::Conflict) => self.begin_swap(swap.store, swap.key).await.map(Err),
            Err(error) => Err(refused(error).into()),
        }
    }
}

fn ended() -> Refusal {
    Refusal::Other("the swap is of a call that has ended".to_owned())
}
