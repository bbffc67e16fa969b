//! The host function that guests call most, by hand.
//!
//! Generated bindings copy each argument into a value of its own before the host function sees it. For a read of a small
//! entry that copy and the way to the fuel are a good part of the whole, so this one borrows the key from the guest's
//! memory and takes the fuel itself.

use skep_bindings::cache::Bucket;
use skep_bindings::types::Error;
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, WasmStr};

use crate::state::CallState;

type Value = Result<Option<Vec<u8>>, Error>;

/// Replaces the generated `bucket.get`.
pub(crate) fn add_to_linker(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    linker.instance("skep:plugin/cache@0.1.0")?.func_wrap("[method]bucket.get", get)?;
    linker.allow_shadowing(false);
    Ok(())
}

fn get(
    mut store: StoreContextMut<'_, CallState>,
    (bucket, key): (Resource<Bucket>, WasmStr),
) -> wasmtime::Result<(Value,)> {
    let (value, bytes) = {
        let key = key.to_str(&store)?;
        let bucket = store.data().readable(bucket.rep());
        let value = bucket.map(|bucket| bucket.get(&key).map(|value| value.to_vec()));
        let found = value.as_ref().ok().and_then(Option::as_ref).map_or(0, Vec::len);
        (value, key.len() + found)
    };
    let fuel = store.get_fuel()?;
    store.set_fuel(fuel.saturating_sub(bytes as u64))?;
    Ok((value,))
}
