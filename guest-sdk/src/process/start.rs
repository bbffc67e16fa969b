//! Processes in the making.

use std::{marker::PhantomData, ops::Deref};

use super::{Handle, Pid, Process, StartError, Target, host};
use crate::{Error, Result, capability::refused, codec};

/// A process in the making: [`start`](NewProcess::start) or [`start_or_get`](NewProcess::start_or_get) starts it.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// # use skep_sdk::prelude::*;
/// # #[derive(Serialize, Deserialize)] struct Counter(u64);
/// # #[skep::process]
/// # impl Counter {
/// #     fn init(from: u64) -> Self { Counter(from) }
/// #     fn call(&mut self, by: u64) -> u64 { self.0 += by; self.0 }
/// # }
/// let anonymous = process::new::<Counter>(&5).start()?;
/// let named = process::new::<Counter>(&5).name("hive:7").start_or_get()?;
/// assert!(!named.was_there);
/// assert_eq!((anonymous.call(&1)?, named.call(&2)?), (6, 7));
/// # Ok::<_, Error>(())
/// ```
pub fn new<P: Process>(args: &P::Args) -> NewProcess<P> {
    #[cfg(not(target_arch = "wasm32"))]
    crate::double::processes::register::<P>();
    let (args, unfit) = match codec::to_json(args) {
        Ok(args) => (args, None),
        Err(error) => (Vec::new(), Some(Error::from(error).context(doing(P::KIND, None)))),
    };
    NewProcess { spec: host::Spec { kind: P::KIND.to_owned(), name: None, args }, unfit, of: PhantomData }
}

/// Starts a process under a name. Returns when its `init` has.
///
/// # Errors
/// [`StartError::NameTaken`] if there is one of this name; see there for the rest.
pub fn start<P: Process>(name: impl Into<String>, args: &P::Args) -> Result<Handle<P>, StartError> {
    new::<P>(args).name(name).start()
}

/// The process of this name, which is started if it is not there. Of many who ask at once, one starts it.
///
/// # Errors
/// See [`StartError`].
pub fn start_or_get<P: Process>(name: impl Into<String>, args: &P::Args) -> Result<Started<P>, StartError> {
    new::<P>(args).name(name).start_or_get()
}

/// A process in the making, from [`new`].
#[derive(Debug)]
#[must_use = "nothing is started before `start`"]
pub struct NewProcess<P> {
    spec: host::Spec,
    /// Told when it is started.
    unfit: Option<Error>,
    of: PhantomData<fn() -> P>,
}

impl<P: Process> NewProcess<P> {
    /// Under this name in the plugin: 1 to 256 bytes without control characters. Without one it is reached by its pid only.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.spec.name = Some(name.into());
        self
    }

    /// Starts it. Returns when its `init` has.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(self) -> Result<Handle<P>, StartError> {
        self.begin(host::start).map(|started| started.handle)
    }

    /// The process of this name, which is started if it is not there. One that is there is as good as a new one, whatever its
    /// kind and its arguments.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start_or_get(self) -> Result<Started<P>, StartError> {
        self.begin(host::start_or_get)
    }

    pub(crate) fn begin(
        self,
        start: impl FnOnce(&host::Spec) -> Result<host::Started, host::StartFailure>,
    ) -> Result<Started<P>, StartError> {
        if let Some(error) = self.unfit {
            return Err(StartError::Refused(error));
        }
        match start(&self.spec) {
            Ok(host::Started { pid, was_there }) => {
                Ok(Started { handle: Target::Pid(Pid::new(pid)).into(), was_there })
            }
            Err(host::StartFailure::NameTaken(pid)) => Err(StartError::NameTaken(Pid::new(pid))),
            Err(host::StartFailure::Failed(why)) => Err(StartError::Failed(why)),
            Err(host::StartFailure::Crashed(reason)) => Err(StartError::Crashed(reason)),
            Err(host::StartFailure::Other(error)) => {
                Err(StartError::Refused(refused(error, doing(&self.spec.kind, self.spec.name.as_deref()))))
            }
        }
    }
}

fn doing(kind: &str, name: Option<&str>) -> String {
    match name {
        None => format!("starting a process of the kind `{kind}`"),
        Some(name) => format!("starting the process `{}` of the kind `{kind}`", crate::capability::shown(name)),
    }
}

/// A process that is there now. It is a [`Handle`] by the pid.
#[derive(Debug)]
#[non_exhaustive]
pub struct Started<P> {
    /// The process.
    pub handle: Handle<P>,
    /// It was there before, and nothing was started.
    pub was_there: bool,
}

impl<P> Deref for Started<P> {
    type Target = Handle<P>;

    fn deref(&self) -> &Handle<P> {
        &self.handle
    }
}
