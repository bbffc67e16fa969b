//! Whole runs against small servers of canned answers.

#![allow(clippy::unwrap_used, reason = "a test fails by its panic")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use skep_loadgen::{Errors, Options, Report, run};

/// Answers each request (what one read brings, which is a whole one for small requests over loopback) with the same
/// bytes, so many times, and closes. Its threads end with the test's process.
fn server(answer: &'static [u8], answers_a_connection: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                stream.set_nodelay(true).unwrap();
                let mut buffer = [0; 4096];
                for _ in 0..answers_a_connection {
                    match stream.read(&mut buffer) {
                        Ok(0) | Err(_) => return,
                        Ok(_) => {}
                    }
                    if stream.write_all(answer).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

fn options(address: SocketAddr) -> Options {
    let target = format!("http://{address}/x").parse().unwrap();
    Options { connections: 4, duration: Duration::from_millis(200), ..Options::new(target) }
}

#[track_caller]
fn check(options: &Options) -> Report {
    let report = run(options).unwrap();
    assert_eq!(report.requests, report.statuses.values().sum::<u64>());
    report
}

#[test]
fn a_server_that_answers_is_clean() {
    let address = server(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", usize::MAX);
    for threads in [1, 3] {
        let report = check(&Options { threads, ..options(address) });
        assert!(report.is_clean(), "{report}");
        assert_eq!(report.body_bytes, report.requests * 2);
        assert!(report.rps > 0.0 && report.latency.p50_us <= report.latency.max_us);
    }
}

#[test]
fn a_server_that_closes_politely_is_clean() {
    let address = server(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok", 1);
    let report = check(&options(address));
    assert!(report.is_clean() && report.requests > 4, "{report}");
}

#[test]
fn failures_are_told_apart() {
    let errors = |answer, answers| {
        let report = check(&options(server(answer, answers)));
        assert!(!report.is_clean());
        report.errors
    };
    let whole = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let Errors { closed, .. } = errors(whole, 2);
    assert!(closed > 0);
    let Errors { cut_off, .. } = errors(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok", 1);
    assert!(cut_off > 0);
    let Errors { malformed, .. } = errors(b"what?\r\n\r\n", 1);
    assert!(malformed > 0);
}

#[test]
fn statuses_are_counted() {
    let report = check(&options(server(b"HTTP/1.1 503 \r\ncontent-length: 0\r\n\r\n", usize::MAX)));
    assert_eq!(report.statuses.keys().copied().collect::<Vec<_>>(), [503]);
    assert_eq!(report.non_2xx, report.requests);
}

#[test]
fn nobody_there_is_a_result() {
    // Bound and dropped: nobody listens on it now.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let report = check(&options(address));
    assert_eq!(report.requests, 0);
    assert!(report.errors.connect > 0);
}

#[test]
fn what_never_comes_is_unfinished() {
    let address = server(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok", usize::MAX);
    let report = check(&Options { grace: Duration::from_millis(50), ..options(address) });
    assert_eq!((report.requests, report.errors.unfinished), (0, 4));
}

#[test]
fn an_open_loop_keeps_its_rate() {
    let address = server(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", usize::MAX);
    let report = check(&Options { rate: Some(500.0), ..options(address) });
    // 500 a second in 0.2 s, sent or missed.
    assert_eq!(report.requests + report.missed + report.errors.total(), 100, "{report}");
}

#[test]
fn a_run_is_bounded() {
    let options = options("127.0.0.1:1".parse().unwrap());
    assert!(run(&Options { duration: Duration::from_secs(601), ..options.clone() }).is_err());
    assert!(run(&Options { duration: Duration::MAX, ..options.clone() }).is_err());
    assert!(run(&Options { duration: Duration::ZERO, ..options.clone() }).is_err());
    assert!(run(&Options { connections: 0, ..options.clone() }).is_err());
    assert!(run(&Options { threads: 0, ..options.clone() }).is_err());
    assert!(run(&Options { rate: Some(f64::NAN), ..options.clone() }).is_err());
    assert!(run(&Options { rate: Some(0.0), ..options }).is_err());
}
