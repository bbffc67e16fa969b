use skep_sdk::test;

use super::*;

fn ask(uri: &str) -> String {
    test::get(uri.replace(' ', "+")).send(handle).text().to_owned()
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

#[test]
fn routes_do_as_the_query_says() {
    let pid = ask("/start?name=a&from=5");
    assert_eq!(ask("/call?to=a&say=add 2"), "7");
    assert_eq!(
        (ask("/call-many?to=a&say=add 1&n=3"), ask(&format!("/call?to=pid:{pid}&say=name"))),
        ("10".into(), "a".into())
    );
    assert_eq!(ask("/start?name=a"), format!("NameTaken {pid}"));
    assert_eq!(ask("/start-or-get?kind=ledger&name=a"), format!("{pid} there"));
    assert_eq!((ask("/whereis?to=a"), ask("/whereis?to=b")), (pid.clone(), "none".into()));
    assert_eq!(ask("/start-many?kind=loader&prefix=row:&n=3&first=7"), "3");
    assert_eq!(ask("/call?to=row:00000009&say=get"), "v1 9");
    assert_eq!(ask("/list-all?prefix=row:"), "3");
    assert!(ask("/list?limit=1").starts_with(&format!("a counter {pid}\ncursor a")));
    assert_eq!(
        (ask("/cast?to=a&say=add 1"), ask("/send?to=a&say=add 1&n=2"), ask("/call?to=a&say=get")),
        ("ok".into(), "ok".into(), "13".into())
    );
    assert_eq!(ask("/stop?to=a&reason=shutdown"), "ok");
    assert_eq!((ask("/call?to=a&say=get"), ask("/get?k=ended:a")), ("NotFound".into(), "1 shutdown".into()));
    assert_eq!(ask("/start?name=b&init=error no bees"), "Failed the process kind `counter`: no bees");
    assert!(ask("/self").starts_with("Invalid("));
}

#[test]
fn processes_do_as_they_are_told() {
    ask("/start?name=a");
    ask("/start?name=b");
    assert_eq!(ask("/call?to=a&say=call b add 3"), "3");
    assert_eq!(ask("/call?to=a&say=call a get"), "Timeout it is the caller itself");
    assert!(ask("/call?to=a&say=call b call a get").starts_with("Timeout it waits for `"));
    assert_eq!(ask("/call?to=a&say=error no bees"), "Failed no bees");
    let timer = ask("/call?to=a&say=every 1000 add 1");
    ask("/call?to=a&say=after 1500 add 10");
    test::advance(Duration::from_millis(2000));
    assert_eq!(
        (ask("/call?to=a&say=get"), ask(&format!("/call?to=a&say=cancel {timer}"))),
        ("12".into(), "true".into())
    );
    ask("/call?to=a&say=monitor b");
    ask("/call?to=a&say=subscribe orders:*");
    ask("/call?to=a&say=track lobby maja");
    assert_eq!(ask("/members?topic=lobby"), "maja");
    ask("/commit?ops=publish orders:7 hi;send b add 1;send_in 1000 b add 1");
    assert_eq!(ask("/call?to=b&say=get"), "4");
    test::advance(Duration::from_secs(1));
    assert_eq!(ask("/call?to=b&say=get"), "5");
    ask("/call?to=a&say=end b done");
    let log = ask("/call?to=a&say=log");
    let log = lines(&log);
    assert_eq!(log[3], "published orders:7 - - hi");
    assert!(log[4].starts_with("down ") && log[4].ends_with(" done"), "{log:?}");
    ask("/stop?to=a");
    assert_eq!(ask("/members?topic=lobby"), "");
}

#[test]
fn answers_come_later_and_jobs_call() {
    ask("/start?name=a");
    let waiting = test::call(to_any("a"), &"later x".to_owned());
    ask("/call?to=a&say=hibernate");
    ask("/cast?to=a&say=answer x honey");
    assert_eq!(waiting.answer().unwrap().unwrap(), "honey");
    let id = ask("/enqueue?to=a&say=add 4");
    assert_eq!(ask(&format!("/job?id={id}")), "4");
}

#[test]
fn a_ledger_is_what_was_booked() {
    ask("/start?kind=ledger&name=l&from=100");
    assert_eq!(ask("/call?to=l&say=add_many 2 3"), "106 3");
    assert_eq!(ask("/call?to=l&say=lie 7"), "113 3");
    let ledger = test::process::<Ledger>("l");
    assert_eq!(ledger.events().len(), 3);
    ledger.crash("killed");
    assert_eq!(ask("/call?to=l&say=get"), "106 3");
    assert_eq!(ask("/call?to=l&say=stage absent k;set k v;enqueue l add 1"), "ok");
    assert_eq!((ask("/get?k=k"), ask("/call?to=l&say=stage absent k")), ("1 v".into(), "Conflict".into()));
}
