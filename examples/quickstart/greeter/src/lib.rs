//! Greets visitors: a page at `/`, a line of text at `/hello/{name}`, in the words that the manifest sets.

use skep_sdk::prelude::*;

#[skep::http]
fn app() -> Router {
    Router::new().get("/", page).get("/hello/{name}", hello)
}

/// Counts the visits in a cookie, since an instance remembers nothing.
fn page(cookies: Cookies) -> impl IntoResponse {
    let visits = cookies.get("visits").and_then(|visits| visits.parse::<u32>().ok()).unwrap_or(0).saturating_add(1);
    let cookie = Cookie::build(("visits", visits.to_string())).path("/").http_only(true);
    (
        cookies.add(cookie),
        Html(format!("<!doctype html><title>skep</title><h1>{}, visitor</h1><p>Visit {visits}.", greeting())),
    )
}

fn hello(Path(name): Path<String>) -> String {
    format!("{}, {name}!\n", greeting())
}

/// `env` in skep.toml is the plugin's whole environment.
fn greeting() -> String {
    std::env::var("GREETING").unwrap_or_else(|_| "Hello".to_owned())
}

#[cfg(test)]
mod tests {
    use skep_sdk::test;

    use super::*;

    #[test]
    fn hello_greets_by_name() {
        assert_eq!(test::get("/hello/Maja%20B").send(app).text(), "Hello, Maja B!\n");
    }

    #[test]
    fn the_page_counts_visits() {
        let first = test::get("/").send(app);
        assert!(first.text().ends_with("<p>Visit 1."));
        assert_eq!(first.header("set-cookie"), Some("visits=1; HttpOnly; Path=/"));
        assert!(test::get("/").cookie("visits", "41").send(app).text().ends_with("<p>Visit 42."));
    }
}
