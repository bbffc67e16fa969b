//! The example that keeps its data in SQL does what its README says.

use serde_json::{Value, json};
use skep_tests::{Host, eventually};

async fn send(host: &Host, path: &str, form: &str) -> u16 {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let request = client.post(host.url(path)).header("content-type", "application/x-www-form-urlencoded");
    skep_tests::host::send(request.body(form.to_owned())).await.status
}

async fn titles(host: &Host, query: &str) -> Vec<String> {
    let reply = host.get(&format!("/books?q={query}")).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let books: Vec<Value> = serde_json::from_str(&reply.body).unwrap();
    books.iter().map(|book| book["title"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reading_list_is_written_by_jobs_and_kept_in_sql() {
    let host = Host::example("reading-list").await;
    assert_eq!(titles(&host, "").await, Vec::<String>::new());
    for title in ["The+Bees", "Honeybee+Democracy", "The+Bees"] {
        assert_eq!(send(&host, "/books", &format!("title={title}&author=Somebody")).await, 303);
    }
    eventually("both are there", async || titles(&host, "").await == ["Honeybee Democracy", "The Bees"]).await;
    assert_eq!(titles(&host, "bees").await, ["The Bees"]);
    // What is on the page was rendered after the last write, however many looked meanwhile.
    eventually("both are shown", async || {
        let page = host.get("/").await.body;
        page.contains("The Bees") && page.contains("Honeybee Democracy")
    })
    .await;
    let bees = host.get("/books?q=bees").await.body;
    let id = serde_json::from_str::<Value>(&bees).unwrap()[0]["id"].as_i64().unwrap();
    assert_eq!(send(&host, &format!("/books/{id}/votes"), "").await, 303);
    eventually("it is wanted most", async || titles(&host, "").await[0] == "The Bees").await;
    eventually("the page says so", async || host.get("/").await.body.contains("The Bees<td>Somebody<td>1")).await;
    assert_eq!(send(&host, &format!("/books/{id}/finish"), "").await, 303);
    eventually("it is read", async || host.get("/").await.body.contains("<s>The Bees</s>")).await;
    assert_eq!(titles(&host, "").await, ["Honeybee Democracy", "The Bees"]);
    let before = host.admin().cache("reading-list/pages").await.unwrap();
    for _ in 0..10 {
        assert_eq!(host.get("/").await.status, 200);
    }
    let after = host.admin().cache("reading-list/pages").await.unwrap();
    assert!(after.loads <= before.loads + 1 && after.hits >= before.hits + 9, "{before:?} {after:?}");
    let migrations = host.admin().database_migrations("reading-list/main").await.unwrap();
    let names: Vec<_> = migrations.iter().map(|one| format!("{} {}", one.name, one.state)).collect();
    assert_eq!(names, ["books applied", "votes applied"]);
    let asked = "select title, finished from books order by title";
    let answer = host.admin().database_query("reading-list/main", asked).await.unwrap();
    assert_eq!(answer.rows, [[json!("Honeybee Democracy"), json!(false)], [json!("The Bees"), json!(true)]]);
}
