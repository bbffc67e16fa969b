use skep_sdk::{
    CapabilityError,
    test::{self, TestResponse},
};

use super::*;

fn restock(item: &str, count: u32) {
    let answer = test::put(format!("/stock/{item}")).json(&json!({ "count": count })).send(app);
    assert_eq!(answer.status(), StatusCode::OK);
}

fn buy(item: &str, count: u32) -> TestResponse {
    test::post("/orders").json(&json!({"item": item, "count": count, "address": "hive 7"})).send(app)
}

fn stock() -> String {
    test::get("/stock").send(app).text().to_owned()
}

#[test]
fn an_order_is_stock_and_receipt_and_message_at_once() {
    restock("honey", 2);
    restock("wax", 5);
    let answer = buy("honey", 2);
    assert_eq!(answer.status(), StatusCode::CREATED);
    let order: Order = answer.json();
    assert_eq!(stock(), r#"{"honey":0,"wax":5}"#);
    let told = &test::published()[0];
    assert_eq!((told.topic(), told.event(), told.json::<Order>().unwrap()), ("orders:new", Some("order"), order));
    assert_eq!(test::perform_jobs(), 1);
    let order: Order = test::get("/orders/1").send(app).json();
    assert_eq!(order.receipt.as_deref(), Some("2 x honey, to hive 7"));
}

#[test]
fn what_is_not_there_is_not_sold() {
    restock("honey", 2);
    assert_eq!(buy("honey", 3).error_message(), "we do not have so many");
    assert_eq!(buy("mead", 1).status(), StatusCode::NOT_FOUND);
    assert_eq!(buy("honey", 0).status(), StatusCode::UNPROCESSABLE_ENTITY);
    // Nothing of any of them was written.
    assert_eq!((stock(), test::jobs().len(), test::published().len()), (r#"{"honey":2}"#.to_owned(), 0, 0));
}

#[test]
fn who_is_slower_sees_what_is_left() {
    restock("honey", 1);
    let item = store::get_item::<u32>("stock:honey").unwrap().unwrap();
    assert_eq!(buy("honey", 1).status(), StatusCode::CREATED);
    // The commit of somebody who saw the last glass, and was slower.
    let refused = store::atomic().check(&item).set("stock:honey", &0_u32).commit();
    assert!(refused.unwrap_err().is_conflict());
    assert_eq!(buy("honey", 1).status(), StatusCode::CONFLICT);
}

#[test]
fn a_commit_that_fails_leaves_nothing_behind() {
    restock("honey", 2);
    // The number is taken, and then the disk is full.
    store::sum("orders", 0).unwrap();
    let place = || {
        store::transaction(|tx| {
            tx.set("stock:honey", &0_u32);
            tx.publish("orders:new", "never");
            Ok::<_, Error>(())
        })
    };
    test::fail_commit(CapabilityError::Full);
    assert_eq!(place().unwrap_err().capability(), Some(&CapabilityError::Full));
    assert_eq!((stock(), test::published().len()), (r#"{"honey":2}"#.to_owned(), 0));
}
