use skep_sdk::skep;

#[skep::jobs]
mod work {
    use skep_sdk::prelude::*;

    #[job]
    fn many(_: u32, _: String, _: &Job) {}

    #[job]
    fn borrowed(_: &str, _: Job) -> impl Sized {}

    #[job(queue = "Mail", max_attempts = 0, priority = 10, timeout = "1 day")]
    fn wrong(_: u32) -> JobResult {
        Ok(())
    }

    #[job(que = "mail", priority = 1, priority = 2)]
    fn unknown(_: u32) -> JobResult {
        Ok(())
    }

    #[job("mail")]
    fn bare(_: u32) -> JobResult {
        Ok(())
    }
}

fn main() {}
