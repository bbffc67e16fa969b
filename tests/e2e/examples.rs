//! The examples are built by their own commands and do what their READMEs say.

use std::collections::BTreeSet;
use std::sync::Arc;

use skep_manifest::Manifest;
use skep_tests::host::Reply;
use skep_tests::{Host, Sse, eventually, guests};

#[tokio::test(flavor = "multi_thread")]
async fn quickstart_greets_and_converts() {
    let host = Host::example("quickstart").await;
    assert_eq!(host.get("/").await.status, 200);
    let hello = host.get("/hello/Ada").await;
    assert!(hello.status == 200 && hello.body.contains("Ada"), "{hello:?}");
    let converted = host.get("/api/convert?from=km&to=m&amount=1.5").await;
    assert!(converted.body.contains("1500"), "{converted:?}");
    let unknown = host.get("/api/convert?from=km&to=parsec").await;
    assert_eq!(unknown.status, 404, "{unknown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hello_rust_is_the_shortest() {
    let host = Host::example("hello-rust").await;
    let hello = host.get("/you").await;
    assert!(hello.status == 200 && hello.body.contains("/you"), "{hello:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_remembers_who_is_logged_in() {
    let host = Host::example("sessions").await;
    // A client that stays where it is: the cookie comes with the redirect.
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let login = async || {
        let form = client.post(host.url("/login")).header("content-type", "application/x-www-form-urlencoded");
        skep_tests::host::send(form.body("name=Maja")).await
    };
    assert_ne!(host.get("/").await.status, 200, "nobody is logged in");
    let answer = login().await;
    let cookie = answer.header("set-cookie").split(';').next().unwrap_or_default().to_owned();
    assert!(!cookie.is_empty(), "{answer:?}");
    for visit in 1..=2 {
        let home = skep_tests::host::send(host.request("GET", "/").header("cookie", &cookie)).await;
        assert_eq!((home.status, home.body), (200, format!("Hello Maja, visit {visit}.\n")));
    }
    assert!(host.get("/board").await.body.contains("Maja"));
    let goodbye = skep_tests::host::send(host.request("POST", "/logout").header("cookie", &cookie)).await;
    assert_eq!(goodbye.status, 200);
    assert_ne!(skep_tests::host::send(host.request("GET", "/").header("cookie", &cookie)).await.status, 200);
    let mut statuses = Vec::new();
    for _ in 0..10 {
        statuses.push(login().await.status);
    }
    assert_eq!(statuses.last(), Some(&429), "the route is limited to 10 a minute: {statuses:?}");
}

/// A form or JSON that is sent, and the answer to it, without following a redirect.
async fn send(host: &Host, method: &str, path: &str, (kind, body): (&str, String)) -> Reply {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let request = client.request(method.parse().unwrap(), host.url(path)).header("content-type", kind);
    skep_tests::host::send(request.body(body)).await
}

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

#[tokio::test(flavor = "multi_thread")]
async fn who_signs_up_gets_one_mail_however_busy_the_mail_server_is() {
    let host = Host::example("sign-up").await;
    let sign_up = async |address: &str| send(&host, "POST", "/sign-ups", (FORM, format!("address={address}"))).await;
    let answer = sign_up("maja@bees.example").await;
    let (status, place) = (answer.status, answer.header("location").to_owned());
    assert_eq!(status, 303, "{answer:?}");
    assert_eq!(sign_up("maja@bees.example").await.header("location"), place, "who clicks twice");
    let nobody = sign_up("nobody@bees.example").await.header("location").to_owned();
    assert_eq!(sign_up("maja").await.status, 422);
    eventually("the mail is sent at the third attempt", async || {
        host.get(&place).await.body.contains("on its way. Attempts: 3.")
    })
    .await;
    assert_eq!(host.get("/postbox").await.body.lines().count(), 1);
    assert!(host.get(&nobody).await.body.contains("Is the address right?"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_takes_three_seconds_and_nobody_waits() {
    let host = Host::example("payment").await;
    let pay = async |cents: u32| send(&host, "POST", "/payments", (FORM, format!("cents={cents}"))).await;
    let (paid, refused) = (pay(700).await, pay(70_000).await);
    assert_eq!((paid.status, refused.status), (202, 202), "{paid:?} {refused:?}");
    let mut live = Sse::open(host.request("GET", "/payments/1/live")).await;
    // Requests have a second in all, and are answered while the bank takes three.
    assert!(host.get("/payments/1").await.body.contains("\"cents\":700"));
    let told = live.event().await;
    assert!(told.data.contains("Paid"), "{told:?}");
    assert!(host.get("/payments/1").await.body.contains("\"state\":\"Paid\""));
    eventually("the bank refuses", async || host.get("/payments/2").await.body.contains("Refused")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_buyers_get_ten_glasses_and_each_of_them_a_receipt() {
    let host = Arc::new(Host::example("shop").await);
    let stocked = send(&host, "PUT", "/stock/honey", (JSON, "{\"count\": 10}".to_owned())).await;
    assert!(stocked.status < 300, "{stocked:?}");
    let mut live = Sse::open(host.request("GET", "/live")).await;
    let buyers = (0..30).map(|hive| {
        let host = Arc::clone(&host);
        let order = format!("{{\"item\": \"honey\", \"count\": 1, \"address\": \"hive {hive}\"}}");
        tokio::spawn(async move { send(&host, "POST", "/orders", (JSON, order)).await.status })
    });
    let mut statuses = Vec::new();
    for buyer in buyers.collect::<Vec<_>>() {
        statuses.push(buyer.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [[201; 10].as_slice(), &[409; 20]].concat());
    assert_eq!(host.get("/stock").await.body.trim(), "{\"honey\":0}");
    let orders = live.take(10).await;
    let id = |order: &String| serde_json::from_str::<serde_json::Value>(order).unwrap()["id"].as_u64().unwrap();
    let ids: BTreeSet<u64> = orders.iter().map(id).collect();
    assert_eq!(ids.len(), 10, "{orders:?}");
    eventually("each order has its receipt", async || {
        for order in &ids {
            if !host.get(&format!("/orders/{order}")).await.body.contains("1 x honey, to hive") {
                return false;
            }
        }
        host.counter("skep_job_attempts_total", &[("plugin", "shop"), ("outcome", "completed")]) == 10
    })
    .await;
}

/// A browser that looks at the live orders.
struct Viewer {
    stream: reqwest::Response,
    text: String,
}

impl Viewer {
    async fn come(host: &Host, last_event_id: Option<&str>) -> Self {
        let request = host.request("GET", "/orders/live");
        let request = last_event_id.into_iter().fold(request, |request, id| request.header("last-event-id", id));
        let stream = request.send().await.unwrap();
        assert_eq!(stream.headers()["content-type"], "text/event-stream; charset=utf-8");
        Self { stream, text: String::new() }
    }

    /// Waits for the next event of this name, past all others, and returns it whole.
    async fn event(&mut self, name: &str) -> String {
        let wait = async {
            loop {
                while let Some((event, rest)) = self.text.split_once("\n\n") {
                    let (event, rest) = (event.to_owned(), rest.to_owned());
                    self.text = rest;
                    if event.lines().any(|line| line == format!("event: {name}")) {
                        return event;
                    }
                }
                let chunk = self.stream.chunk().await.unwrap().expect("the stream goes on");
                self.text.push_str(std::str::from_utf8(&chunk).unwrap());
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(30), wait).await.expect(name)
    }
}

async fn order(host: &Host, item: &str) -> Reply {
    let form = host.request("POST", "/orders").header("content-type", "application/x-www-form-urlencoded");
    skep_tests::host::send(form.body(format!("item={item}&customer=Maja"))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn live_orders_come_to_everybody_who_looks() {
    let host = Host::example("live-orders").await;
    assert!(host.get("/").await.body.contains("sse-connect=\"/orders/live\""));
    assert!(host.get("/static/htmx-2.0.11.min.js").await.header("cache-control").contains("immutable"));

    let mut maja = Viewer::come(&host, None).await;
    assert!(maja.event("viewers").await.contains("1 looking"));
    assert_eq!(maja.event("orders").await, "event: orders\ndata: ");
    let mut willi = Viewer::come(&host, None).await;
    assert!(willi.event("viewers").await.contains("2 looking"));
    while !maja.event("viewers").await.contains("2 looking") {}

    for item in ["honey", "<wax>"] {
        let answer = order(&host, item).await;
        assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    }
    let mut last_id = String::new();
    for viewer in [&mut maja, &mut willi] {
        let honey = viewer.event("order").await;
        assert!(honey.contains("data: <tr><td>1</td><td>honey</td><td>Maja</td>"), "{honey}");
        assert!(viewer.event("order").await.contains("<td>2</td><td>&lt;wax&gt;</td>"));
        // Two tasks at once: either may be through first.
        let cells = viewer.event("packed").await + &viewer.event("packed").await;
        for id in ["state-1", "state-2"] {
            let cell = format!("<td id=\"{id}\" class=\"packed\" hx-swap-oob=\"true\">packed</td>");
            assert!(cells.contains(&cell), "{cells}");
        }
        last_id = honey.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
    }

    // Who comes late gets the table, the newest order first, and none of them again.
    let mut late = Viewer::come(&host, None).await;
    let table = late.event("orders").await;
    let (wax, honey) = (table.find("&lt;wax&gt;").unwrap(), table.find("honey").unwrap());
    assert!(wax < honey, "{table}");
    assert_eq!(table.matches("class=\"packed\"").count(), 2, "{table}");
    assert_eq!(order(&host, "mead").await.status, 204);
    assert!(late.event("order").await.contains("<td>3</td><td>mead</td>"));

    // Who was away gets what it missed; whose last event is not known any more gets the table again.
    let mut back = Viewer::come(&host, Some(&last_id)).await;
    assert!(back.event("order").await.contains("<td>2</td>"));
    assert!(back.event("order").await.contains("<td>3</td>"));
    let mut stranger = Viewer::come(&host, Some("7")).await;
    assert!(stranger.event("orders").await.contains("mead"));

    // Who leaves is counted no more.
    drop((willi, late, back, stranger));
    while !maja.event("viewers").await.contains("1 looking") {}
}

#[tokio::test(flavor = "multi_thread")]
async fn polyglot_plugins_run_where_their_toolchains_are() {
    let languages = ["js", "python", "c", "assemblyscript"];
    // The toolchains are hundreds of megabytes: CI installs them and says so, a newcomer's test run does without.
    if std::env::var_os("SKEP_TEST_TOOLCHAINS").is_none() {
        let manifest = Manifest::load(&guests::root().join("examples/polyglot-http")).unwrap();
        assert!(languages.iter().all(|name| manifest.plugins.keys().any(|plugin| plugin.as_str() == *name)));
        assert!(manifest.plugins.values().all(|plugin| !plugin.needs.is_empty() && plugin.build.is_some()));
        return;
    }
    let host = Host::example("polyglot-http").await;
    for name in languages {
        let plugin = host.node.plugin(name).unwrap();
        assert_eq!(plugin.state(), "running", "{name}: {:?}", plugin.note());
        let hello = host.get(&format!("/{name}")).await;
        assert!(hello.status == 200 && hello.body.contains(name), "{name}: {hello:?}");
        let echo = host.post(&format!("/{name}/echo"), "some bytes").await;
        assert_eq!((echo.status, echo.body.as_str()), (200, "some bytes"), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn static_files_serves_a_granted_folder_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("public")).unwrap();
    std::fs::write(dir.path().join("public/index.html"), "<h1>home</h1>").unwrap();
    std::fs::write(dir.path().join("public/data.txt"), "0123456789").unwrap();
    std::fs::write(dir.path().join("secret.txt"), "secret").unwrap();
    let manifest = format!(
        "[plugins.files]\nsource = {:?}\nroutes = [\"GET /\", \"GET /{{*path}}\"]\n\
         grants = {{ files = [{{ host = \"public\", guest = \"/public\" }}] }}\n",
        guests::static_files()
    );
    std::fs::write(dir.path().join("skep.toml"), manifest).unwrap();
    let host = Host::in_folder(dir, skep_node::Mode::Production).await.unwrap();
    let home = host.get("/").await;
    assert_eq!((home.status, home.body.as_str()), (200, "<h1>home</h1>"));
    let range = skep_tests::host::send(host.request("GET", "/data.txt").header("range", "bytes=2-4")).await;
    assert_eq!((range.status, range.body.as_str()), (206, "234"));
    let fresh = host.get("/data.txt").await;
    let again = host.request("GET", "/data.txt").header("if-none-match", fresh.header("etag"));
    assert_eq!(skep_tests::host::send(again).await.status, 304);
    for path in ["/..%2fsecret.txt", "/%2e%2e/secret.txt", "/../secret.txt", "//secret.txt"] {
        assert!(!host.get(path).await.body.contains("secret"), "{path}");
    }
}
