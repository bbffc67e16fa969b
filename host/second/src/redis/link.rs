//! The connection to one Redis, and its breaker.
//!
//! One connection carries everything, pipelined. It is up or it is down, and whoever asks while it is down gets an answer at
//! once: not asked. It goes down when it breaks, or when half of its last ten answers failed or did not come in time. Then one
//! task alone tries to connect anew, again and again with pauses between, and asks for something as guests do, before anybody
//! else is let through. So no guest ever pays for a probe, and answers that come too late are thrown away with their
//! connection.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, IntoConnectionInfo as _, ProtocolVersion, PushInfo, PushKind, RedisError,
    TlsCertificates, Value,
};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::health::Health;
use super::scripts::Scripts;
use crate::form;
use crate::port::{Fault, Listener, Standing};

/// How long connecting may take, with everything that is said before the first question.
const CONNECT: Duration = Duration::from_secs(2);
/// The pause before the second attempt to connect; each one after it is twice as long.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
/// The longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// A connection that was up for so long begins with short pauses again.
const STEADY: Duration = Duration::from_secs(30);

/// Where a Redis is, and how it is used.
#[derive(Clone, PartialEq, Eq)]
pub struct Options {
    /// `redis://HOST[:PORT][/DATABASE]`, `rediss://` for TLS, or `redis+unix:///PATH`. A user and a password may be in it.
    pub url: String,
    /// The user, if it is not in the URL.
    pub username: Option<String>,
    /// The password, if it is not in the URL.
    pub password: Option<String>,
    /// Who may have signed the server's certificate, as PEM. Default: whom the machine trusts.
    pub ca: Option<Vec<u8>>,
    /// What all keys begin with, so that two installations can share a database. Default `skep`.
    pub prefix: String,
    /// The longest time that a question may take, waiting for a place included. Default 50 ms.
    pub timeout: Duration,
    /// Questions under way at once; one more waits for a place, and is not asked if it gets none within `timeout`. Default 256.
    pub in_flight: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            url: "redis://127.0.0.1:6379".to_owned(),
            username: None,
            password: None,
            ca: None,
            prefix: "skep".to_owned(),
            timeout: Duration::from_millis(50),
            in_flight: 256,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither the URL nor the password: both may be secrets.
        f.debug_struct("Options").field("prefix", &self.prefix).field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// These options lead to no Redis.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(String);

/// The connection to one Redis, shared by all buckets that are there. Dropping the last of it closes it.
pub struct Link {
    shared: Arc<Shared>,
    _task: AbortOnDropHandle<()>,
}

struct Shared {
    options: Options,
    client: Client,
    /// Where it is, for logs: without user and password.
    address: String,
    scripts: Scripts,
    places: Semaphore,
    // Locked for moments, over no await; so are the others here.
    current: Mutex<Option<Current>>,
    standing: watch::Sender<Standing>,
    /// Told that the connection is down.
    down: Notify,
    /// The last epoch whose connection broke.
    broke: AtomicU64,
    listeners: Mutex<BTreeMap<String, Vec<Weak<dyn Listener>>>>,
}

struct Current {
    connection: MultiplexedConnection,
    epoch: u64,
    health: Health,
}

impl Link {
    /// Begins to connect, and does so until it is dropped. Whether there is anybody shows in [`standing`](Self::standing). It
    /// needs tokio's runtime.
    ///
    /// # Errors
    /// When the URL or the certificates cannot be read. The message has no part of the URL in it.
    pub fn start(options: Options) -> Result<Arc<Self>, Invalid> {
        // Both are there already in a host that serves HTTPS; whoever is first is as good.
        drop(rustls::crypto::ring::default_provider().install_default());
        let (client, address) = client(&options)?;
        let why: Arc<str> = "it is being connected".into();
        let shared = Arc::new(Shared {
            client,
            address,
            scripts: Scripts::default(),
            places: Semaphore::new(options.in_flight.max(1)),
            current: Mutex::default(),
            standing: watch::Sender::new(Standing::Down { why }),
            down: Notify::new(),
            broke: AtomicU64::new(0),
            listeners: Mutex::default(),
            options,
        });
        let task = AbortOnDropHandle::new(tokio::spawn(Arc::clone(&shared).run()));
        Ok(Arc::new(Self { shared, _task: task }))
    }

    /// How it stands, now and from now on.
    #[must_use]
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.shared.standing.subscribe()
    }

    /// What it was started with.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.shared.options
    }

    pub(crate) fn scripts(&self) -> &Scripts {
        &self.shared.scripts
    }

    pub(crate) fn listen(&self, bucket: String, listener: Weak<dyn Listener>) {
        let mut listeners = self.shared.listeners.lock();
        // Reloads leave some behind that are gone.
        listeners.retain(|_, of_bucket| {
            of_bucket.retain(|listener| listener.strong_count() > 0);
            !of_bucket.is_empty()
        });
        listeners.entry(bucket).or_default().push(listener);
    }

    /// Asks one question, if it is up and there is a place, and waits for as long as the options say.
    pub(crate) async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(&mut MultiplexedConnection) -> Result<T, RedisError>,
    ) -> Result<T, Fault> {
        let shared = &*self.shared;
        let current = shared.current.lock().as_ref().map(|current| (current.connection.clone(), current.epoch));
        let Some((mut connection, epoch)) = current else { return Err(Fault::NotAsked) };
        let mut asked = false;
        let answer = timeout(shared.options.timeout, async {
            let _place = shared.places.acquire().await;
            asked = true;
            question(&mut connection).await
        });
        let answer = match answer.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(fault(&error)),
            Err(_) if asked => Err(Fault::NoAnswer),
            // Who waited for a place says nothing of Redis: those who had the places do.
            Err(_) => return Err(Fault::NotAsked),
        };
        shared.judge(epoch, answer.as_ref().err());
        answer
    }
}

impl Shared {
    fn judge(&self, epoch: u64, fault: Option<&Fault>) {
        let mut current = self.current.lock();
        let opens = current
            .as_mut()
            .filter(|current| current.epoch == epoch)
            .is_some_and(|current| current.health.note(fault.is_some()));
        drop(current);
        if opens {
            let why = fault.map_or_else(String::new, |fault| format!(": {fault}"));
            self.close(epoch, &format!("half of the last answers failed{why}"));
        }
    }

    /// Lets nobody through any more, unless it is another connection by now.
    fn close(&self, epoch: u64, why: &str) {
        let mut current = self.current.lock();
        if current.as_ref().is_some_and(|current| current.epoch == epoch) {
            *current = None;
            self.standing.send_replace(Standing::Down { why: why.into() });
            drop(current);
            tracing::warn!(redis = %self.address, why, "the second tier is down; its buckets are served from memory alone");
            self.down.notify_one();
        }
    }

    async fn run(self: Arc<Self>) {
        let mut pause = PAUSE_FIRST;
        for epoch in 1.. {
            match timeout(CONNECT, self.connect(epoch)).await.unwrap_or_else(|_| Err("it does not answer".to_owned())) {
                Ok(tells) => {
                    if !tells {
                        tracing::warn!(
                            redis = %self.address,
                            "it does not tell what other hosts change (CLIENT TRACKING is refused): copies in memory are as old as \
                             their bucket's `fresh` allows"
                        );
                    }
                    tracing::info!(redis = %self.address, "the second tier is up");
                    if timeout(STEADY, self.down.notified()).await.is_err() {
                        pause = PAUSE_FIRST;
                        self.down.notified().await;
                    }
                }
                Err(why) => self.still_down(&why),
            }
            // Not all hosts at once.
            tokio::time::sleep(pause.mul_f64(1.0 - fastrand::f64() / 2.0)).await;
            pause = pause.saturating_mul(2).min(PAUSE_MAX);
        }
    }

    fn still_down(&self, why: &str) {
        let changed = self.standing.send_if_modified(|standing| {
            let now = Standing::Down { why: why.into() };
            let changed = *standing != now;
            *standing = now;
            changed
        });
        if changed {
            tracing::warn!(redis = %self.address, why, "the second tier cannot be reached; it is tried again and again");
        }
    }

    /// Connects and probes. Returns whether it is told what others change.
    async fn connect(self: &Arc<Self>, epoch: u64) -> Result<bool, String> {
        let weak = Arc::downgrade(self);
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(None)
            .set_push_sender(move |push: PushInfo| -> Result<(), ()> {
                if let Some(shared) = weak.upgrade() {
                    shared.heard(epoch, &push);
                }
                Ok(())
            });
        let connection = self.client.get_multiplexed_async_connection_with_config(&config).await;
        let mut connection = connection.map_err(|error| said(&error))?;
        let prefix = form::of_all(&self.options.prefix);
        let tracking = redis::cmd("CLIENT")
            .arg(&["TRACKING", "ON", "BCAST", "NOLOOP", "PREFIX", &prefix])
            .query_async::<()>(&mut connection)
            .await;
        let tells = match tracking {
            Ok(()) => true,
            Err(error) if error.is_io_error() => return Err(said(&error)),
            Err(_) => false,
        };
        // As guests will: a server that does not allow scripts or these keys is none to let them through to.
        self.scripts.probe(&mut connection, &prefix).await.map_err(|error| said(&error))?;
        *self.current.lock() = Some(Current { connection, epoch, health: Health::default() });
        self.standing.send_replace(Standing::Up { epoch, tells });
        if self.broke.load(SeqCst) == epoch {
            // Before it was put there, so that nobody took it away.
            self.close(epoch, "the connection broke");
        }
        Ok(tells)
    }

    /// Called by the reader of answers, before it reads the next one: so what is told here is done before any answer that
    /// came after it.
    fn heard(&self, epoch: u64, push: &PushInfo) {
        match push.kind {
            PushKind::Disconnection => {
                self.broke.store(epoch, SeqCst);
                self.close(epoch, "the connection broke");
            }
            PushKind::Invalidate => match push.data.first() {
                Some(Value::Array(names)) => names.iter().for_each(|name| self.changed(name)),
                // Everything was flushed.
                _ => self.all_listeners().iter().for_each(|listener| listener.cleared()),
            },
            _ => {}
        }
    }

    fn changed(&self, name: &Value) {
        let Value::BulkString(name) = name else { return };
        let Some((bucket, key)) =
            std::str::from_utf8(name).ok().and_then(|name| form::parse(&self.options.prefix, name))
        else {
            return;
        };
        let listeners: Vec<_> = {
            let listeners = self.listeners.lock();
            listeners.get(bucket).into_iter().flatten().filter_map(Weak::upgrade).collect()
        };
        for listener in listeners {
            match key {
                Some(key) => listener.changed(key),
                None => listener.cleared(),
            }
        }
    }

    fn all_listeners(&self) -> Vec<Arc<dyn Listener>> {
        self.listeners.lock().values().flatten().filter_map(Weak::upgrade).collect()
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("address", &self.shared.address).finish_non_exhaustive()
    }
}

fn client(options: &Options) -> Result<(Client, String), Invalid> {
    let invalid = |error: RedisError| Invalid(said(&error));
    let info = options.url.as_str().into_connection_info().map_err(invalid)?;
    let mut settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    if let Some(username) = &options.username {
        settings = settings.set_username(username);
    }
    if let Some(password) = &options.password {
        settings = settings.set_password(password);
    }
    let address = info.addr().to_string();
    let info = info.set_redis_settings(settings);
    let client = match &options.ca {
        Some(ca) => {
            let certificates = TlsCertificates { client_tls: None, root_cert: Some(ca.clone()) };
            Client::build_with_tls(info, certificates)
        }
        None => Client::open(info),
    };
    Ok((client.map_err(invalid)?, address))
}

/// What the library says of an error, on one line. It never has a password in it, but what the server says is cut short.
fn said(error: &RedisError) -> String {
    let text: String = error.to_string().chars().filter(|c| !c.is_control()).take(200).collect();
    match error.kind() {
        ErrorKind::AuthenticationFailed => format!("user or password are wrong, or missing: {text}"),
        _ => text,
    }
}

fn fault(error: &RedisError) -> Fault {
    if is_no_answer(error) { Fault::NoAnswer } else { Fault::Refused(said(error)) }
}

/// Whether Redis did not say it: then nobody knows what it has done.
pub(super) fn is_no_answer(error: &RedisError) -> bool {
    error.is_io_error() || error.is_connection_dropped() || error.is_timeout() || error.is_unrecoverable_error()
}
