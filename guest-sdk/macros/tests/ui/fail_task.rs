use skep_sdk::skep;

#[skep::tasks]
mod work {
    use skep_sdk::prelude::*;

    #[task]
    fn two(_: u32, _: String) {}

    #[task]
    fn borrowed(_: &str) -> impl Sized {}

    #[task(max = 3)]
    fn limited(_: u32) -> Result<()> {
        Ok(())
    }
}

fn main() {}
