//! Many clients in one process, as lean as can be: frames are written and read by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::sync::{Notify, Semaphore};

const WARM: usize = 100;
const BROADCASTS: usize = 10;
const ECHOES: usize = 20_000;

fn frame(text: &str) -> Vec<u8> {
    assert!(text.len() < 126);
    // Masked with zeros, which changes nothing.
    [&[0x81, 0x80 | u8::try_from(text.len()).unwrap(), 0, 0, 0, 0], text.as_bytes()].concat()
}

/// The payload of one short frame.
async fn read(stream: &mut TcpStream, buffer: &mut [u8]) -> usize {
    stream.read_exact(&mut buffer[..2]).await.unwrap();
    let len = usize::from(buffer[1]);
    assert!(len < 126);
    stream.read_exact(&mut buffer[..len]).await.unwrap();
    len
}

async fn join(address: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let request = format!(
        "GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\nhost: {address}\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    stream.write_all(&frame(r#"["1","1","room:a","phx_join",{}]"#)).await.unwrap();
    read(&mut stream, &mut [0; 128]).await;
    stream
}

async fn join_many(address: &str, count: usize) -> Vec<TcpStream> {
    let at_once = Arc::new(Semaphore::new(64));
    let joins: Vec<_> = (0..count)
        .map(|_| {
            let (address, at_once) = (address.to_owned(), Arc::clone(&at_once));
            tokio::spawn(async move {
                let _place = at_once.acquire().await.unwrap();
                join(&address).await
            })
        })
        .collect();
    let mut streams = Vec::new();
    for one in joins {
        streams.push(one.await.unwrap());
    }
    streams
}

pub(crate) async fn run(address: &str, count: usize) {
    let mut told = BufReader::new(tokio::io::stdin()).lines();
    let mut streams = join_many(address, WARM).await;
    println!("warm");
    told.next_line().await.unwrap();
    streams.extend(join_many(address, count - WARM).await);
    println!("joined");
    told.next_line().await.unwrap();
    let mut author = streams.pop().unwrap();
    // Echo, with all the others idle beside it.
    let (echo, mut buffer) = (frame(r#"["1","2","room:a","echo",{"text":"hello"}]"#), [0; 128]);
    let mut times = Vec::new();
    let start = Instant::now();
    for _ in 0..ECHOES {
        let start = Instant::now();
        author.write_all(&echo).await.unwrap();
        read(&mut author, &mut buffer).await;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    println!(
        "echo p50 {:?} p99 {:?}, {:.0}/s",
        times[ECHOES / 2],
        times[ECHOES * 99 / 100],
        ECHOES as f64 / start.elapsed().as_secs_f64()
    );
    broadcasts(author, streams).await;
}

async fn broadcasts(mut author: TcpStream, streams: Vec<TcpStream>) {
    let count = streams.len();
    let (heard, all) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    for mut stream in streams {
        let (heard, all) = (Arc::clone(&heard), Arc::clone(&all));
        tokio::spawn(async move {
            let mut buffer = [0; 128];
            loop {
                // A short frame that was written at once comes at once.
                let len = stream.read(&mut buffer).await.unwrap();
                assert_eq!(len, 2 + usize::from(buffer[1]));
                if heard.fetch_add(1, Ordering::AcqRel) + 1 == count {
                    all.notify_one();
                }
            }
        });
    }
    let mut times = Vec::new();
    for _ in 0..BROADCASTS {
        let start = Instant::now();
        author.write_all(&frame(r#"["1","3","room:a","shout",{"text":"hello everybody"}]"#)).await.unwrap();
        read(&mut author, &mut [0; 128]).await;
        all.notified().await;
        times.push(start.elapsed());
        heard.store(0, Ordering::Release);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    times.sort_unstable();
    println!("broadcast to {count}: fastest {:?}, median {:?}", times[0], times[BROADCASTS / 2]);
}
