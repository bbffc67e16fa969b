//! How many connections there may be, and how many requests at once on one of them.

use std::collections::BTreeMap;
use std::time::Duration;

use skep_tests::{Host, guests};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

async fn host(http: &str) -> Host {
    Host::start(&format!(
        "[host]\nhttp = {{ {http} }}\n[plugins.connections]\nsource = {:?}\nroutes = [\"/{{*path}}\"]\n",
        guests::hostile_fast()
    ))
    .await
}

async fn connect(host: &Host) -> TcpStream {
    TcpStream::connect(host.address).await.unwrap()
}

async fn send(stream: &mut TcpStream) {
    stream.write_all(b"GET /ok HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
}

/// Reads one answer and leaves the connection open.
async fn answer(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\nok") {
        let read = tokio::time::timeout(Duration::from_secs(30), stream.read_buf(&mut answer)).await;
        assert!(read.expect("no answer").unwrap() > 0, "closed after {:?}", String::from_utf8_lossy(&answer));
    }
    String::from_utf8(answer).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_over_the_limit_waits_until_one_leaves() {
    let host = host("max_connections = 2").await;
    let (mut first, mut second) = (connect(&host).await, connect(&host).await);
    for stream in [&mut first, &mut second] {
        send(stream).await;
        assert!(answer(stream).await.starts_with("HTTP/1.1 200"));
    }
    let mut third = connect(&host).await;
    send(&mut third).await;
    // Time in which a host without the limit answers the third: it has as much of it as forty requests take.
    for _ in 0..20 {
        for stream in [&mut first, &mut second] {
            send(stream).await;
            answer(stream).await;
        }
    }
    let early = third.try_read(&mut [0; 16]);
    assert_eq!(early.unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "it waits");
    drop(second);
    assert!(answer(&mut third).await.starts_with("HTTP/1.1 200"), "it is served once there is room");
    send(&mut first).await;
    answer(&mut first).await;
}

/// The parts of HTTP/2 that a client needs that does not care what it was allowed.
mod h2 {
    pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    pub(super) const DATA: u8 = 0;
    pub(super) const HEADERS: u8 = 1;
    pub(super) const RESET: u8 = 3;
    pub(super) const SETTINGS: u8 = 4;
    pub(super) const REFUSED_STREAM: u32 = 7;
    pub(super) const MAX_CONCURRENT_STREAMS: [u8; 2] = [0, 3];
    /// `:status: 200` in the compression's static table.
    pub(super) const STATUS_200: u8 = 0x88;

    pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        frame
    }

    /// A whole GET request on a stream: END_STREAM and END_HEADERS, no compression but the static table.
    pub(super) fn get(stream: u32, path: &str) -> Vec<u8> {
        // `:method: GET` and `:scheme: http`, then literals for `:path` and `:authority`.
        let mut fields = vec![0x82, 0x86, 0x04, u8::try_from(path.len()).unwrap()];
        fields.extend(path.as_bytes());
        fields.extend([0x01, 1, b'x']);
        frame(HEADERS, 0x05, stream, &fields)
    }
}

/// What became of each stream, read until so many have ended.
async fn ends(stream: &mut TcpStream, count: usize, settings: &mut Vec<u8>) -> BTreeMap<u32, String> {
    let (mut heads, mut ends) = (BTreeMap::new(), BTreeMap::new());
    while ends.len() < count {
        let mut head = [0; 9];
        let read = tokio::time::timeout(Duration::from_secs(30), stream.read_exact(&mut head)).await;
        read.unwrap_or_else(|_| panic!("only {ends:?}")).unwrap();
        let [l0, l1, l2, kind, flags, id @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, l0, l1, l2]) as usize];
        stream.read_exact(&mut payload).await.unwrap();
        let id = u32::from_be_bytes(id);
        let is_end = flags & 1 == 1;
        match kind {
            h2::SETTINGS if !is_end => settings.extend(payload),
            h2::RESET => {
                let code = u32::from_be_bytes(payload.try_into().unwrap());
                ends.insert(
                    id,
                    if code == h2::REFUSED_STREAM { "refused".to_owned() } else { format!("reset {code}") },
                );
            }
            h2::HEADERS => {
                heads.insert(id, if payload[0] == h2::STATUS_200 { "200" } else { "another status" });
            }
            _ => {}
        }
        if is_end && [h2::HEADERS, h2::DATA].contains(&kind) {
            ends.insert(id, heads[&id].to_owned());
        }
    }
    ends
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_of_one_connection_are_held_to_their_limit() {
    for limit in [1_u32, 3] {
        let host = host(&format!("max_streams = {limit}")).await;
        let mut stream = connect(&host).await;
        // Two more than allowed, all in one piece: the guest sleeps while the host reads the last of them.
        let ids: Vec<u32> = (0..limit + 2).map(|at| 2 * at + 1).collect();
        let mut bytes = [h2::PREFACE, &h2::frame(h2::SETTINGS, 0, 0, &[])].concat();
        for &id in &ids {
            bytes.extend(h2::get(id, "/sleep?ms=500"));
        }
        stream.write_all(&bytes).await.unwrap();
        let mut settings = Vec::new();
        let ended = ends(&mut stream, ids.len(), &mut settings).await;
        let expected = ids.iter().map(|&id| (id, if id < 2 * limit { "200" } else { "refused" }.to_owned())).collect();
        assert_eq!(ended, expected, "max_streams = {limit}");
        let told = [&h2::MAX_CONCURRENT_STREAMS[..], &limit.to_be_bytes()].concat();
        assert!(settings.chunks(6).any(|setting| setting == told), "the client was told: {settings:?}");

        let next = 2 * (limit + 2) + 1;
        stream.write_all(&h2::get(next, "/ok")).await.unwrap();
        let ended = ends(&mut stream, 1, &mut settings).await;
        assert_eq!(ended, BTreeMap::from([(next, "200".to_owned())]), "the connection lives, and has room again");
    }
}
