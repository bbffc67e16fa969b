use skep_sdk::skep;

struct Shapes;

struct Settings;

struct Unknown;

struct Beginless;

struct Trait;

struct Twice;

#[skep::processes]
mod kinds {
    use super::*;
    use skep_sdk::prelude::*;

    #[process]
    impl Shapes {
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
            Shapes
        }
    }

    #[process(name = "Hive", version = 0, state = "xml", version = 1)]
    impl Settings {
        fn init() -> Self {
            Settings
        }
    }

    #[process(naem = "hive", part = 1)]
    impl Unknown {
        fn init() -> Self {
            Unknown
        }
    }

    #[process(version = 2)]
    impl Beginless {}

    #[process]
    impl Default for Trait {
        fn default() -> Self {
            Trait
        }
    }

    #[process]
    use super::{Hive, Serialize};

    #[process(version = 2)]
    use super::Hive as Other;

    #[process("hive")]
    impl Twice {}
}

#[skep::process]
fn hive() {}

#[skep::processes]
mod nothing {}

#[skep::processes(all)]
mod more {}

fn main() {}
