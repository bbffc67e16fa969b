//! What else lies under our keys does no harm.

use skep_cache::{Condition, FetchOptions, Fetched, PutOptions, Ttl};

use crate::{FRESH, SLOW, Server, eventually, host};

const GENERATION: &str = "skep:1:{shop/pages}";
const ENTRY: &str = "skep:1:{shop/pages}/k";
const WAIT: FetchOptions = FetchOptions { wait: SLOW, stale: false };

#[tokio::test]
async fn garbage_is_a_miss_and_is_written_over() {
    let Some(server) = Server::start(&[]) else { return };
    let host = host(&server, FRESH).await;
    let generation: Vec<u8> = {
        host.put_text("other", "1").await;
        server.say(&["GET", GENERATION]).await
    };
    let of = |form: u8, generation: &[u8], rest: &[u8]| [&[form, b'0'][..], generation, rest].concat();
    let garbage: Vec<Vec<Vec<u8>>> = vec![
        vec![b"SET".to_vec(), vec![]],
        vec![b"SET".to_vec(), b"plain text of somebody else".to_vec()],
        vec![b"SET".to_vec(), b"\x01".to_vec()],
        // A form of a later version.
        vec![b"SET".to_vec(), of(2, &generation, &[0; 40])],
        // Cut off.
        vec![b"SET".to_vec(), of(1, &generation, &[0; 15])],
        // Longer than a value may be, though all else is right.
        vec![b"SET".to_vec(), of(1, &generation, &[0; 16 + 1001])],
        // Of a generation that is gone: no garbage, but void.
        vec![b"SET".to_vec(), of(1, b"12345678", &[0; 16])],
        vec![b"RPUSH".to_vec(), b"x".to_vec()],
        vec![b"HSET".to_vec(), b"x".to_vec(), b"y".to_vec()],
        vec![b"SADD".to_vec(), b"x".to_vec()],
    ];
    for (number, words) in garbage.iter().enumerate() {
        let put = async || {
            let mut command: Vec<&[u8]> = vec![&words[0], ENTRY.as_bytes()];
            command.extend(words[1..].iter().map(Vec::as_slice));
            let _: () = server.say(&["DEL", ENTRY]).await;
            let _: () = server.say_bytes(&command).await;
            // What this host had of it is gone as soon as it is told.
            eventually(async || host.peek("k").is_none()).await;
        };
        let before = host.stats();
        put().await;
        assert_eq!(host.text("k").await, None, "{number}");
        let stats = host.stats();
        let is_void = number == 6;
        assert_eq!(
            (stats.misses, stats.foreign),
            (before.misses + 1, before.foreign + u64::from(!is_void)),
            "{number}"
        );
        assert_eq!(stats.errors, before.errors);
        assert!(host.get_many(&["k", "other"]).await[1].is_some());
        assert!(host.take("k").await.is_none() && !host.touch("k", Ttl::Never).await);
        put().await;
        assert_eq!(
            host.increment("k", 1, Ttl::Default).await,
            if number == 5 { over_long() } else { Ok(1) },
            "{number}"
        );
        put().await;
        let Fetched::Miss(lease) = host.fetch("k", WAIT).await.unwrap() else { panic!("{number}") };
        if number == 5 {
            // To writers it is an entry like others: another host may take longer values.
            drop(lease);
            host.put_text("k", "mine").await;
        } else {
            host.fill(lease, b"mine", Ttl::Default).await.unwrap();
        }
        assert_eq!(host.text("k").await.as_deref(), Some("mine"), "{number}");
        put().await;
        let absent = PutOptions { ttl: Ttl::Default, condition: Condition::IfAbsent };
        assert_eq!(host.put("k", b"mine", absent).await.is_ok(), number != 5, "{number}");
        assert!(host.stats().up);
        host.delete("k").await;
    }
}

fn over_long() -> Result<i64, skep_cache::Error> {
    Err(skep_cache::Error::Invalid("the value is not a whole number of 64 bits"))
}

#[tokio::test]
async fn a_generation_that_is_gone_or_damaged_makes_all_void() {
    let Some(server) = Server::start(&[]) else { return };
    let (one, other) = (host(&server, FRESH).await, host(&server, FRESH).await);
    for words in [&["DEL", GENERATION][..], &["SET", GENERATION, "short"], &["FLUSHALL"]] {
        one.put_text("k", "old").await;
        eventually(async || other.text("k").await.as_deref() == Some("old")).await;
        let _: () = server.say(words).await;
        eventually(async || one.text("k").await.is_none() && other.text("k").await.is_none()).await;
        one.put_text("k", "new").await;
        eventually(async || other.text("k").await.as_deref() == Some("new")).await;
    }
    // Another type altogether.
    let _: () = server.say(&["DEL", GENERATION]).await;
    let _: () = server.say(&["RPUSH", GENERATION, "x"]).await;
    eventually(async || one.text("k").await.is_none()).await;
    one.put_text("k", "again").await;
    eventually(async || other.text("k").await.as_deref() == Some("again")).await;
    assert_eq!((one.stats().errors, one.stats().up), (0, true));
}
