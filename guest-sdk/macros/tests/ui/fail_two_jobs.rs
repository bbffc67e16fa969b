use skep_sdk::prelude::*;

#[skep::job]
fn first() -> JobResult {
    Ok(())
}

mod other {
    use skep_sdk::prelude::*;

    #[skep::jobs]
    mod work {
        use skep_sdk::prelude::*;

        #[job]
        fn second(_: u8) -> JobResult {
            Ok(())
        }
    }
}

fn main() {}
