//! Where calls run: short ones on the event loop of their client's connection, long ones with the workers.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use skep_runtime::Revision;
use skep_tests::guests;
use skep_types::{Call, Instances, Limits, PluginName, SystemClock};
use skep_web::errors::ErrorStyle;
use skep_web::{
    Front, FrontOptions, Handler, HandlerFuture, Layers, Pattern, RequestBody, RouteTable, Server, ServerOptions,
    Target, TrustedProxies,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::direct::{body, get, load, load_with, runtime};

/// What an event loop has to do with a call.
#[derive(Debug)]
struct Seen {
    /// How often it polls it until the answer's head is there.
    polls: usize,
    /// Tasks of it that it has then.
    tasks: usize,
}

fn seen(revision: &Arc<Revision>, path: &str) -> Seen {
    let events = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    events.block_on(async {
        let mut polls = 0;
        let mut handling = pin!(get(revision, path));
        let answer = std::future::poll_fn(|cx| {
            polls += 1;
            handling.as_mut().poll(cx)
        });
        let answer = answer.await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        answer.into_body().collect().await.unwrap();
        Seen { polls, tasks }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_leaves_its_event_loop_when_it_is_long() {
    let runtime = runtime(1 << 30);
    for (wasm, short, long) in [
        (guests::hostile_fast(), "/spin-fuel?n=1", "/spin-fuel?n=10000000"),
        (guests::hostile(), "/spin-ms?ms=0", "/spin-ms?ms=50"),
    ] {
        let revision = load(&runtime, &wasm).await;
        // A short one is polled once, and again when it lets the loop's other requests go ahead. A long one has some hundred slices:
        // what the loop sees of them is the first, and that the call has its answer.
        let [short, long] = [short, long].map(|path| {
            let revision = Arc::clone(&revision);
            std::thread::spawn(move || seen(&revision, path).polls)
        });
        let (short, long) = (short.join().unwrap(), long.join().unwrap());
        assert!(short <= 3 && long <= 4, "{}: {short} and {long}", wasm.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_being_written_is_not_written_on_an_event_loop() {
    let revision = load(&runtime(1 << 30), &guests::hostile()).await;
    let seen = std::thread::spawn(move || seen(&revision, "/stream?n=2&ms=200&size=100000")).join().unwrap();
    assert_eq!(seen.tasks, 0, "{seen:?}");
}

/// An event loop of a thread of its own.
struct EventLoop(tokio::runtime::Runtime);

impl EventLoop {
    fn new() -> Self {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        Self(runtime.worker_threads(1).enable_all().build().unwrap())
    }

    async fn get(&self, revision: &Arc<Revision>, path: &'static str) -> String {
        let revision = Arc::clone(revision);
        self.0.spawn(async move { body(&revision, path).await }).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_event_loop_leaves_another_one_finds() {
    let runtime = runtime(1 << 30);
    for wasm in [guests::hostile_fast(), guests::hostile()] {
        let revision = load_with(&runtime, &wasm, |spec| {
            spec.instances = Instances::Reuse(100);
            // One place, and nobody waits: a place that is not found is an error.
            spec.limits = Limits { concurrency: 1, queue: 0, ..Limits::default() };
        })
        .await;
        let (one, other) = (EventLoop::new(), EventLoop::new());
        let mut counted = Vec::new();
        for events in [&one, &one, &other, &one, &other, &other] {
            counted.push(events.get(&revision, "/counter").await);
            // An answer can be whole a moment before its guest is done.
            while revision.running() > 0 {
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(counted, ["1", "2", "3", "4", "5", "6"], "{}", wasm.display());
        // What rests on either is dropped, and none rests from then on.
        revision.retire();
        for events in [&one, &other, &one] {
            assert_eq!(events.get(&revision, "/counter").await, "1", "{}", wasm.display());
        }
        // Outside of this runtime, where runtimes may be dropped.
        std::thread::spawn(move || drop((one, other))).join().unwrap();
    }
}

/// Says on which thread it answers, or nothing at all at `/never`.
struct Thread(PluginName);

impl Handler for Thread {
    fn plugin(&self) -> &PluginName {
        &self.0
    }

    fn call(&self, _: Call, request: http::Request<RequestBody>) -> HandlerFuture {
        if request.uri().path() == "/never" {
            return Box::pin(std::future::pending());
        }
        Box::pin(async { Ok(http::Response::new(std::thread::current().name().unwrap_or_default().to_owned().into())) })
    }
}

async fn server(max_connections: usize) -> Server {
    let handler = Arc::new(Thread(PluginName::new("thread").unwrap()));
    let pattern = Pattern { host: None, methods: Vec::new(), path: "/{*path}".to_owned() };
    let front = Front::new(FrontOptions {
        proxies: TrustedProxies::default(),
        errors: ErrorStyle::Production,
        access_log: false,
        clock: Arc::new(SystemClock),
    });
    let target = Target::new(handler, &Layers::default(), ErrorStyle::Production);
    front.swap(RouteTable::build([(pattern, target)]).unwrap());
    let options = ServerOptions {
        tls: None,
        header_timeout: Duration::from_secs(10),
        keep_alive: Duration::from_secs(10),
        max_connections,
        max_headers: 100,
        max_header_bytes: 16 << 10,
        max_streams: 10,
    };
    Server::start(front, &["127.0.0.1:0".parse().unwrap()], options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_http_2_do_not_run_on_the_event_loop_of_their_connection() {
    let server = server(10).await;
    let address = server.addresses()[0];
    let thread = async |client: reqwest::ClientBuilder| {
        let answer = client.build().unwrap().get(format!("http://{address}/thread")).send().await.unwrap();
        answer.text().await.unwrap()
    };
    let (one, two) =
        (thread(reqwest::Client::builder()).await, thread(reqwest::Client::builder().http2_prior_knowledge()).await);
    assert!(one.starts_with("events-") && !two.starts_with("events-"), "{one:?} and {two:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_cuts_off_what_it_has_also_when_it_is_full() {
    let server = server(1).await;
    let mut client = tokio::net::TcpStream::connect(server.addresses()[0]).await.unwrap();
    client.write_all(b"GET /thread HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(client.read(&mut [0; 1024]).await.unwrap() > 0);
    client.write_all(b"GET /never HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    // Until it is a request that is waited for.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!server.shutdown(Duration::from_millis(1)).await);
    drop(server);
    let ended = tokio::time::timeout(Duration::from_secs(30), client.read(&mut [0; 1024])).await;
    assert!(matches!(ended, Ok(Ok(0) | Err(_))), "{ended:?}");
}
