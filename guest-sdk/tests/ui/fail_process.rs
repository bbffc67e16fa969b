use serde::{Deserialize, Serialize};
use skep_sdk::skep;

#[derive(Serialize, Deserialize)]
struct Hive;

#[skep::processes]
mod kinds {
    use super::*;
    use skep_sdk::prelude::*;

    #[process]
    impl Hive {
        fn init(&self, _: &str, _: u32) {}

        async fn call(self, _: u32, _: String, _: &mut Ctx) -> impl Sized {}

        fn cast<T>(_: &T) {}

        fn published(&mut self, _: String, _: Message) {}

        fn timer(&mut self, _: &mut Ctx, _: u32) {}

        fn terminate(&mut self, _: String, _: &mut Ctx) -> bool {
            true
        }

        fn apply(&mut self, _: u32, _: &mut Ctx) {}

        fn migrate(_: Vec<u8>) -> Self {
            Hive
        }
    }

    #[process(name = "Hive", version = 0, state = "xml", version = 1)]
    impl Hive {
        fn init() -> Self {
            Hive
        }
    }

    #[process(naem = "hive", part = 1, "hive")]
    impl Hive {
        fn init() -> Self {
            Hive
        }
    }

    #[process(version = 2)]
    impl Hive {}

    #[process]
    impl Default for Hive {
        fn default() -> Self {
            Hive
        }
    }

    #[process]
    impl<T> Vec<T> {
        fn init() -> Self {
            Vec::new()
        }
    }

    #[process(part)]
    impl Hive {
        fn init() -> Self {
            Hive
        }
    }

    #[process]
    use super::{Hive, Serialize};

    #[process(version = 2)]
    use super::Hive as Other;
}

#[skep::process]
fn hive() {}

#[skep::processes]
mod nothing {}

#[skep::processes(all)]
mod twice {
    use super::*;

    #[process(name = "hive")]
    impl Hive {
        fn init() -> Self {
            Hive
        }
    }

    #[process]
    impl Hive {
        fn init() -> Self {
            Hive
        }
    }
}

fn main() {}
