use serde::{Deserialize, Serialize};
use skep_sdk::{prelude::*, process::Down};

struct Plain;

#[derive(Serialize, Deserialize)]
struct Hive {
    bees: u64,
}

#[derive(Serialize, Deserialize)]
struct Odd;

#[skep::processes]
mod kinds {
    use super::*;

    #[process]
    impl Plain {
        fn init() -> Self {
            Plain
        }
    }

    #[process]
    impl Hive {
        fn init(_: u32) -> u32 {
            7
        }

        fn call(&mut self, _: Plain) -> Plain {
            Plain
        }

        fn cast(&mut self, _: u32) -> u32 {
            7
        }

        fn down(&mut self, _: u32) {}

        fn timer(&mut self, _: u32, ctx: &mut Ctx) -> Result<()> {
            ctx.send_after(std::time::Duration::ZERO, &"soon")?;
            ctx.append(self, 7)?;
            Ok(())
        }

        fn exit(&mut self, _: Down, _: &mut Context) {}
    }

    #[process]
    use super::Odd;
}

fn main() {
    process::cast::<Hive>("hive", &"text").unwrap();
    process::send::<Hive>("hive", &7).unwrap();
}
