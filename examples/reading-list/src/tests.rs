use skep_sdk::{
    CapabilityError,
    jobs::State,
    test::{self, TestResponse},
};

use super::*;

fn start() {
    test::database("main").migrations("migrations");
}

fn post(path: &str, form: &[(&str, &str)]) -> TestResponse {
    test::post(path).form(form).send(app)
}

/// Presses a button.
fn press(path: &str) {
    assert_eq!(post(path, &[]).status(), StatusCode::SEE_OTHER);
}

fn add(title: &str, author: &str) {
    let answer = post("/books", &[("title", title), ("author", author)]);
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
}

fn page() -> String {
    test::get("/").send(app).text().to_owned()
}

fn titles(query: &str) -> Vec<String> {
    let found: Vec<Book> = test::get(format!("/books?q={query}")).send(app).json();
    found.into_iter().map(|book| book.title).collect()
}

#[test]
fn a_book_is_on_the_page_when_its_job_is_done() {
    start();
    add(" The Bees ", "Laline Paull");
    assert!(!page().contains("The Bees"), "nothing is written by the request itself");
    assert_eq!(test::perform_jobs(), 1);
    assert!(page().contains("<tr><td>The Bees<td>Laline Paull<td>0"), "{}", page());
    add("Stung!", "<Lisa>");
    test::perform_jobs();
    assert!(page().contains("&lt;Lisa&gt;") && !page().contains("<Lisa>"));
}

#[test]
fn what_two_people_add_is_there_once() {
    start();
    for title in ["The Bees", "The Bees", "Honeybee Democracy"] {
        add(title, "Somebody");
    }
    assert_eq!(test::perform_jobs(), 3);
    assert_eq!(titles(""), ["Honeybee Democracy", "The Bees"]);
}

#[test]
fn what_is_wanted_most_comes_first_and_what_is_read_last() {
    start();
    for title in ["a", "b", "c"] {
        add(title, "x");
    }
    test::perform_jobs();
    for path in ["/books/3/votes", "/books/3/votes", "/books/2/votes"] {
        press(path);
    }
    test::perform_jobs();
    assert_eq!(titles(""), ["c", "b", "a"]);
    press("/books/3/finish");
    test::perform_jobs();
    assert_eq!(titles(""), ["b", "a", "c"]);
    let votes: u32 = sql::Database::open("main").unwrap().query_one("select count(*) from votes", ()).unwrap();
    assert_eq!(votes, 1, "those of the book that is read are gone");
}

#[test]
fn the_page_is_asked_for_once_until_something_is_written() {
    start();
    add("The Bees", "Laline Paull");
    test::perform_jobs();
    let before = page();
    test::database("main").run("update books set title = 'The Wasps'");
    assert_eq!(page(), before, "it came from the cache");
    add("Stung!", "Lisa");
    test::perform_jobs();
    assert!(page().contains("The Wasps") && page().contains("Stung!"));
}

#[test]
fn a_database_that_is_away_is_tried_again() {
    start();
    add("The Bees", "Laline Paull");
    test::database("main").fail(CapabilityError::Unavailable("restarting".into()));
    test::perform_jobs();
    assert_eq!(titles(""), Vec::<String>::new());
    test::advance(std::time::Duration::from_secs(60));
    test::perform_jobs();
    assert_eq!(titles(""), ["The Bees"]);
}

#[test]
fn who_votes_for_a_book_that_is_not_there_votes_for_nothing() {
    start();
    for path in ["/books/7/votes", "/books/7/finish"] {
        press(path);
    }
    test::perform_jobs();
    for job in test::jobs() {
        assert_eq!(job.state, State::Cancelled);
        assert!(job.last_error.unwrap().ends_with("there is no book 7"));
    }
}

#[test]
fn what_is_looked_for_is_no_sql_and_what_is_too_long_is_no_book() {
    start();
    add("The Bees", "Laline Paull");
    test::perform_jobs();
    assert_eq!(titles("bee"), ["The Bees"]);
    assert_eq!(titles("'+or+1=1+--"), Vec::<String>::new());
    let answer = post("/books", &[("title", ""), ("author", "x")]);
    assert_eq!(answer.error_message(), "a title and an author have 1 to 200 characters");
}
