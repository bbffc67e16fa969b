//! Single flight and locks: one loads and the rest wait, whatever happens to the call that loads.

use std::sync::Arc;
use std::time::Duration;

use skep_tests::Host;

use crate::cache::{get, ok, probe, reload};

/// Both ways of running instances, under names of their own: metrics tell plugins apart by name.
fn instances() -> [(&'static str, &'static str); 2] {
    [("fresh", ""), ("warm", "instances = { reuse = 1000 }\n")]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_misses_load_once_and_other_keys_do_not_wait() {
    for (kind, reuse) in instances() {
        let plugin = format!("crowd-{kind}");
        let limits = "limits = { concurrency = 600, queue = 1000, deadline = '120s' }\ncaches.main = {}\n";
        let manifest = "host.drain = '120s'\n".to_owned() + &probe(&plugin, &format!("{reuse}{limits}"));
        let host = Arc::new(Host::start(&manifest).await);
        // Somebody holds another key all the while: nobody of the crowd may wait for that.
        let holder = tokio::spawn({
            let (host, plugin) = (Arc::clone(&host), plugin.clone());
            async move { get(&host, &plugin, "/hold?k=other&then=sleep").await }
        });
        let bucket = format!("{plugin}/main");
        until(&host, &bucket, |stats| stats.leases == 1).await;
        let crowd: Vec<_> = (0..1000)
            .map(|_| {
                let (host, plugin) = (Arc::clone(&host), plugin.clone());
                tokio::spawn(async move { get(&host, &plugin, "/load?k=hot&rounds=2000000").await })
            })
            .collect();
        let mut loaded = 0;
        for one in crowd {
            let (status, body) = one.await.unwrap();
            assert_eq!(status, 200, "{body}");
            assert!(body == "loaded 1" || body == "hit 1", "{body}");
            loaded += u32::from(body == "loaded 1");
        }
        assert_eq!((loaded, ok(&host, &plugin, "/get?k=loads").await), (1, "1".to_owned()), "{kind}");
        assert_eq!(host.admin().cache(&bucket).await.unwrap().leases, 1, "the other key is still held");
        holder.abort();
    }
}

/// Waits until a bucket is as told; the test's own time limit is the only one.
async fn until(host: &Host, bucket: &str, is_so: impl Fn(&skep_admin::api::BucketStatus) -> bool) {
    let admin = host.admin();
    while !is_so(&admin.cache(bucket).await.unwrap()) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A call holds the thing of a key and ends as told, while one of another plugin, which has more time, waits for up to a
/// minute.
async fn handed_over(host: &Arc<Host>, plugin: &str, way: &str, lock: bool) {
    let (hold, take) = if lock { ("hold-lock", "lock") } else { ("hold", "load") };
    let bucket = format!("{plugin}/main");
    let key = format!("{take}-{way}");
    let call = |plugin: String, path: String| {
        let host = Arc::clone(host);
        tokio::spawn(async move { get(&host, &plugin, &path).await })
    };
    // It waits before it ends, so that the other one is in line by then.
    let leader = call(plugin.to_owned(), format!("/{hold}?k={key}&ms=300&then={way}"));
    until(host, &bucket, |stats| stats.leases + stats.locks == 1).await;
    let next = call(format!("{plugin}-next"), format!("/{take}?b={bucket}&k={key}&wait=60000"));
    // Not how fast it was, but that no minute had to pass.
    let next = tokio::time::timeout(Duration::from_secs(40), next).await;
    let (status, body) = next.expect("it waited its time out").unwrap();
    assert_eq!(status, 200, "{plugin} {way}: {body}");
    assert!(if lock { body.parse::<u64>().is_ok() } else { body.starts_with("loaded ") }, "{way}: {body}");
    let (status, body) = leader.await.unwrap();
    let expected = match way {
        "return" => 200,
        "sleep" => 504,
        _ => 500,
    };
    assert_eq!(status, expected, "{way}: {body}");
    until(host, &bucket, |stats| stats.leases + stats.locks + stats.waiting == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_ends_the_holder_the_next_in_line_goes_on() {
    for (kind, reuse) in instances() {
        let plugin = format!("relay-{kind}");
        let limits = "limits = { fuel = 50_000_000, deadline = '3s', memory = '16MiB' }\ncaches.main = {}\n";
        let grant = format!("limits.deadline = '60s'\ngrants.caches = {{ '{plugin}/main' = 'read-write' }}\n");
        let next = probe(&format!("{plugin}-next"), &format!("{reuse}{grant}"));
        let manifest = format!("host.drain = '60s'\n{}{next}", probe(&plugin, &format!("{reuse}{limits}")));
        let host = Arc::new(Host::start(&manifest).await);
        for way in ["return", "spin", "sleep", "trap", "bomb", "panic"] {
            for lock in [false, true] {
                handed_over(&host, &plugin, way, lock).await;
            }
        }
        let failures = host.admin().cache(&format!("{plugin}/main")).await.unwrap().load_failures;
        assert_eq!(failures, 6, "each holder's lease was dropped once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_under_a_holder_leaves_its_lease_until_its_call_ends() {
    for (kind, reuse) in instances() {
        let plugin = format!("over-{kind}");
        let of = |deadline: &str| {
            let more = format!("{reuse}caches.main = {{}}\nlimits.deadline = '{deadline}'");
            format!("host.drain = '60s'\n{}", probe(&plugin, &more))
        };
        let host = Arc::new(Host::start(&of("5s")).await);
        let call = |path: &'static str| {
            let (host, plugin) = (Arc::clone(&host), plugin.clone());
            tokio::spawn(async move { get(&host, &plugin, path).await })
        };
        let leader = call("/hold?k=x&then=sleep");
        let bucket = format!("{plugin}/main");
        until(&host, &bucket, |stats| stats.leases == 1).await;
        reload(&host, &of("60s")).await.unwrap();
        // The next one is a call of the new revision, and gets the lease when the old one's call ends at its deadline.
        let next = call("/load?k=x&wait=60000");
        assert_eq!(leader.await.unwrap().0, 504);
        let (status, body) = next.await.unwrap();
        assert_eq!((status, body.as_str()), (200, "loaded 1"));
    }
}
