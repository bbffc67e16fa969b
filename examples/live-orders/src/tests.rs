use skep_sdk::test::{self, Published, TestResponse, TestStream};

use super::*;

fn order(item: &str, customer: &str) -> TestResponse {
    test::post("/orders").form(&[("item", item), ("customer", customer)]).send(app)
}

fn placed(item: &str, customer: &str) {
    assert_eq!(order(item, customer).status(), StatusCode::NO_CONTENT);
}

fn look() -> TestStream {
    test::get("/orders/live").open(order::TOPIC, live::open)
}

fn events(messages: &[Published]) -> Vec<(&str, &str)> {
    messages.iter().map(|message| (message.event().unwrap(), message.text().unwrap())).collect()
}

fn first(stream: &TestStream) -> Vec<(String, String)> {
    stream.first().iter().map(|event| (event.name().unwrap().to_owned(), event.text().into_owned())).collect()
}

fn texts(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

const PLACED: &str = r#"<tr><td>1</td><td>honey</td><td>Maja</td><td id="state-1" class="placed">placed</td></tr>"#;
const PACKED: &str = r#"<tr><td>1</td><td>honey</td><td>Maja</td><td id="state-1" class="packed">packed</td></tr>"#;

#[test]
fn an_order_is_told_when_it_is_placed_and_when_it_is_packed() {
    placed(" honey ", "Maja");
    assert_eq!(test::started(), ["pack"]);
    let told = test::published();
    assert!(told.iter().all(|message| message.topic() == "orders:all"));
    let cell = r#"<td id="state-1" class="packed" hx-swap-oob="true">packed</td>"#;
    assert_eq!(events(&told), [("order", PLACED), ("packed", cell)]);
}

#[test]
fn who_comes_sees_all_orders_and_then_what_follows_the_newest() {
    test::topic("orders:all").retain();
    assert_eq!(first(&look()), texts(&[("viewers", "1 looking"), ("orders", "")]));
    placed("honey", "Maja");
    placed("wax", "Willi");
    let stream = look();
    let newest = r#"<tr><td>2</td><td>wax</td><td>Willi</td><td id="state-2" class="packed">packed</td></tr>"#;
    assert_eq!(first(&stream), texts(&[("viewers", "2 looking"), ("orders", &format!("{newest}{PACKED}"))]));
    let told = test::published();
    let wax = told.iter().rfind(|message| message.event() == Some("order")).unwrap();
    assert_eq!(stream.after(), wax.id());
}

#[test]
fn who_was_away_for_a_moment_gets_only_what_it_missed() {
    test::topic("orders:all").retain();
    placed("honey", "Maja");
    let back = |id| test::get("/orders/live").header("last-event-id", id).open(order::TOPIC, live::open);
    let stream = back("1");
    // The host goes on behind the message that the browser saw.
    assert_eq!((stream.first().len(), stream.after()), (1, None));
    assert_eq!(back("of another kind").first().len(), 2);
}

#[test]
fn all_are_told_how_many_look() {
    let (one, two) = (look(), look());
    two.close();
    assert_eq!(presence::count("viewers").unwrap(), 1);
    one.close();
    test::deliver(live::on_viewers, "viewers", &json!({"count": 7})).unwrap();
    let told = test::published();
    assert_eq!(events(&told), [("viewers", "7 looking")]);
    assert!(told[0].local && told[0].topic() == "orders:all");
}

#[test]
fn what_strangers_type_is_text() {
    placed("<script>alert(1)</script>", "Tom & Jerry");
    let row = "<td>&lt;script&gt;alert(1)&lt;/script&gt;</td><td>Tom &amp; Jerry</td>";
    assert!(test::published()[0].text().unwrap().contains(row));
    for (item, customer) in [("", "Maja"), ("honey", "  "), ("honey", &"x".repeat(61))] {
        let answer = order(item, customer);
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(answer.error_message(), "an order has an item and a name of 1 to 60 characters");
    }
}

#[test]
fn the_page_and_its_scripts_are_there() {
    let page = test::get("/").send(app);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let scripts: Vec<_> = page.text().split("src=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(scripts.len(), 2);
    for script in scripts {
        let answer = test::get(script).send(app);
        assert_eq!(
            (answer.status(), answer.header("content-type")),
            (StatusCode::OK, Some("text/javascript; charset=utf-8"))
        );
        assert!(answer.header("cache-control").unwrap().ends_with("immutable"));
    }
}
