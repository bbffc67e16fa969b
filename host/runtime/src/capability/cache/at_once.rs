//! What is asked most of a bucket that has no second tier behind it: nothing there has to wait.
//!
//! A host function that may wait costs a guest a future and copies of what it gives. These are the same functions without:
//! they look at keys and values where they lie in the guest's memory.

use skep_bindings::cache::{Bucket, Condition, Lifetime};
use skep_bindings::types::Error;
use skep_cache::PutOptions;
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, WasmList, WasmStr};

use super::{if_so, refused, ttl};
use crate::instance::charge;
use crate::state::CallState;

/// The interface, as components import it.
const INTERFACE: &str = "skep:plugin/cache@0.1.0";

type Caller<'a> = StoreContextMut<'a, CallState>;
type This = Resource<Bucket>;
/// What it costs, in bytes, and the answer.
type Answer<T> = wasmtime::Result<(usize, Result<T, Error>)>;

/// Puts them over those that may wait.
pub(crate) fn add_to_linker(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    let mut cache = linker.instance(INTERFACE)?;
    cache.func_wrap("[method]bucket.get", asked(get))?;
    cache.func_wrap("[method]bucket.put", asked(put))?;
    cache.func_wrap("[method]bucket.delete", asked(delete))?;
    cache.func_wrap("[method]bucket.take", asked(take))?;
    cache.func_wrap("[method]bucket.touch", asked(touch))?;
    cache.func_wrap("[method]bucket.increment", asked(increment))
}

/// A host function by what it does.
fn asked<P, R>(
    answer: impl Fn(&Caller<'_>, P) -> Answer<R>,
) -> impl Fn(Caller<'_>, P) -> wasmtime::Result<(Result<R, Error>,)> {
    move |mut store, given| {
        let (cost, answer) = answer(&store, given)?;
        charge(&mut store, cost as u64)?;
        Ok((answer,))
    }
}

fn get(store: &Caller<'_>, (this, key): (This, WasmStr)) -> Answer<Option<Vec<u8>>> {
    let (state, key) = (store.data(), key.to_str(store)?);
    let value = state.readable(this.rep()).map(|bucket| bucket.memory().copy(&key));
    Ok((key.len() + found(&value), value))
}

type Put = (This, WasmStr, WasmList<u8>, Lifetime, Condition);

fn put(store: &Caller<'_>, (this, key, value, lifetime, condition): Put) -> Answer<u64> {
    let (state, key, value) = (store.data(), key.to_str(store)?, value.as_le_slice(store));
    let options = PutOptions { ttl: ttl(lifetime), condition: if_so(condition) };
    let write = || state.writable(this.rep())?.memory().put(&key, value, options).map_err(refused);
    Ok((key.len() + value.len(), write()))
}

fn delete(store: &Caller<'_>, (this, key): (This, WasmStr)) -> Answer<bool> {
    let (state, key) = (store.data(), key.to_str(store)?);
    Ok((key.len(), state.writable(this.rep()).map(|bucket| bucket.memory().delete(&key))))
}

fn take(store: &Caller<'_>, (this, key): (This, WasmStr)) -> Answer<Option<Vec<u8>>> {
    let (state, key) = (store.data(), key.to_str(store)?);
    let value = state.writable(this.rep()).map(|bucket| bucket.memory().take(&key).map(|value| value.to_vec()));
    Ok((key.len() + found(&value), value))
}

fn touch(store: &Caller<'_>, (this, key, lifetime): (This, WasmStr, Lifetime)) -> Answer<bool> {
    let (state, key) = (store.data(), key.to_str(store)?);
    Ok((key.len(), state.writable(this.rep()).map(|bucket| bucket.memory().touch(&key, ttl(lifetime)))))
}

fn increment(store: &Caller<'_>, (this, key, by, lifetime): (This, WasmStr, i64, Lifetime)) -> Answer<i64> {
    let (state, key) = (store.data(), key.to_str(store)?);
    let add = || state.writable(this.rep())?.memory().increment(&key, by, ttl(lifetime)).map_err(refused);
    Ok((key.len(), add()))
}

fn found(value: &Result<Option<Vec<u8>>, Error>) -> usize {
    value.as_ref().ok().and_then(Option::as_ref).map_or(0, Vec::len)
}
