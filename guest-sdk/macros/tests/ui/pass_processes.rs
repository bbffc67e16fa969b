#![deny(warnings, missing_docs)]
//! Several kinds of processes, one of them in a module of its own.

use serde::{Deserialize, Serialize};
use skep_sdk::{prelude::*, test};

#[derive(Serialize, Deserialize)]
struct Counter(u64);

#[derive(Serialize, Deserialize)]
struct Bare;

mod far {
    use serde::{Deserialize, Serialize};
    use skep_sdk::{prelude::*, process::Reply};

    #[derive(Serialize, Deserialize)]
    pub(crate) struct Echo;

    #[skep::process(part, name = "echo_2", state = "postcard")]
    impl Echo {
        fn init() -> Self {
            Echo
        }

        fn call(&self, text: String) -> Reply<String> {
            Reply::Now(text)
        }
    }
}

/// What they are.
#[skep::processes]
mod kinds {
    use skep_sdk::prelude::*;

    use super::Counter;

    /// Beside them is whatever else.
    const STEP: u64 = 2;

    #[skep::process]
    impl Counter {
        fn init(from: u64) -> Self {
            Counter(from)
        }

        fn call(&mut self) -> u64 {
            self.0 += STEP;
            self.0
        }
    }

    #[process]
    impl super::Bare {
        fn init() -> Result<Self> {
            Ok(super::Bare)
        }
    }

    #[process]
    use super::far::Echo;
}

fn main() {
    let counter = process::start::<Counter>("a", &5).unwrap();
    assert_eq!((counter.call(&()).unwrap(), process::call::<Counter>("a", &()).unwrap()), (7, 9));
    process::new::<Bare>(&()).start().unwrap();
    let echo = process::start::<far::Echo>("echo", &()).unwrap();
    assert_eq!(echo.call(&"hi".to_owned()).unwrap(), "hi");
    assert!(test::process(&echo).saved_bytes().is_empty());
}
