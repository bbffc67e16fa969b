//! A client of server-sent events, which never waits for long.

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, Response};

/// The longest wait for one event. Tests that wait for none publish something that ends the wait.
const PATIENCE: Duration = Duration::from_secs(30);

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    pub id: Option<u64>,
    /// `message` where the host names none, as in browsers.
    pub event: String,
    pub data: String,
}

/// An open stream.
pub struct Sse {
    request: RequestBuilder,
    response: Response,
    unread: Vec<u8>,
    /// The id of the last event that had one: what a browser names when it comes back.
    pub last_id: Option<String>,
    /// Comments so far.
    pub comments: usize,
    /// How long to wait before coming back, as the host said last.
    pub retry: Option<String>,
}

impl Sse {
    /// Opens a stream, which must be accepted.
    pub async fn open(request: RequestBuilder) -> Self {
        let (request, response) = connect(request, None).await;
        Self { request, response, unread: Vec::new(), last_id: None, comments: 0, retry: None }
    }

    /// Opens it as a client that was here before.
    pub async fn resume(request: RequestBuilder, last_id: &str) -> Self {
        let (request, response) = connect(request, Some(last_id)).await;
        let last_id = Some(last_id.to_owned());
        Self { request, response, unread: Vec::new(), last_id, comments: 0, retry: None }
    }

    /// Leaves if it is still there, and comes back as a browser does.
    pub async fn reconnect(self) -> Self {
        let Self { request, response, last_id, .. } = self;
        drop(response);
        match last_id {
            Some(id) => Self::resume(request, &id).await,
            None => Self::open(request).await,
        }
    }

    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The next event; `None` when the host ended the stream as complete.
    ///
    /// # Panics
    /// When nothing comes, and when the stream breaks off.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            while let Some(block) = self.block() {
                if let Some(event) = self.read(&block) {
                    return Some(event);
                }
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    /// The next event, which must come.
    pub async fn event(&mut self) -> Event {
        self.next().await.expect("the stream ended")
    }

    /// The text of the next event.
    pub async fn data(&mut self) -> String {
        self.event().await.data
    }

    /// The texts of so many events.
    pub async fn take(&mut self, events: usize) -> Vec<String> {
        let mut texts = Vec::new();
        for _ in 0..events {
            texts.push(self.data().await);
        }
        texts
    }

    /// All up to the end of the stream.
    pub async fn rest(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }

    /// Waits for a comment; there must be no event before it.
    pub async fn comment(&mut self) {
        let before = self.comments;
        while self.comments == before {
            while let Some(block) = self.block() {
                assert_eq!(self.read(&block), None, "an event where a comment was to come");
            }
            assert!(self.comments > before || self.fill().await, "the stream ended");
        }
    }

    async fn fill(&mut self) -> bool {
        let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await.expect("nothing comes");
        match chunk.expect("the stream breaks off") {
            Some(bytes) => self.unread.extend_from_slice(&bytes),
            None => return false,
        }
        true
    }

    /// What stands before the next empty line.
    fn block(&mut self) -> Option<String> {
        let end = self.unread.windows(2).position(|pair| pair == b"\n\n")?;
        let block = self.unread.drain(..end + 2).collect();
        Some(String::from_utf8(block).expect("event streams are UTF-8"))
    }

    fn read(&mut self, block: &str) -> Option<Event> {
        let (event, seen) = parse(block);
        self.comments += seen.comments;
        self.retry = seen.retry.or_else(|| self.retry.take());
        let event = event?;
        self.last_id = event.id.map(|id| id.to_string()).or_else(|| self.last_id.take());
        Some(event)
    }
}

async fn connect(request: RequestBuilder, last_id: Option<&str>) -> (RequestBuilder, Response) {
    let again = request.try_clone().expect("a request without a body");
    let request = match last_id {
        Some(id) => request.header("last-event-id", id),
        None => request,
    };
    let response = tokio::time::timeout(PATIENCE, request.send()).await.expect("no answer").unwrap();
    assert_eq!(response.status(), 200, "the stream is not accepted");
    assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
    (again, response)
}

/// What a block has beside its event.
#[derive(Default)]
struct Seen {
    comments: usize,
    retry: Option<String>,
}

/// Reads the lines up to an empty one. A block without data is no event.
fn parse(block: &str) -> (Option<Event>, Seen) {
    let (mut event, mut data, mut seen) = (Event::default(), Vec::new(), Seen::default());
    for line in block.lines().filter(|line| !line.is_empty()) {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" => seen.comments += 1,
            "id" => event.id = Some(value.parse().expect("ids of the host are numbers")),
            "event" => value.clone_into(&mut event.event),
            "data" => data.push(value),
            "retry" => seen.retry = Some(value.to_owned()),
            other => panic!("no field of an event: {other}"),
        }
    }
    if data.is_empty() {
        return (None, seen);
    }
    event.data = data.join("\n");
    if event.event.is_empty() {
        "message".clone_into(&mut event.event);
    }
    (Some(event), seen)
}

/// All events of a body that was read by other means.
pub fn events(body: &str) -> Vec<Event> {
    body.split_inclusive("\n\n").filter_map(|block| parse(block).0).collect()
}
