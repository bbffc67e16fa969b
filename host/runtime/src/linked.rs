//! A component linked against its engine's imports: one slot for each kind of handler that it exports.

use anyhow::Context as _;
use skep_bindings::{
    Background, BackgroundPre, Channels, ChannelsPre, EventStreams, EventStreamsPre, Http, HttpPre, Processes,
    ProcessesPre, Sockets, SocketsPre, Subscribers, SubscribersPre, Warmers, WarmersPre, Websockets, WebsocketsPre,
    Workers, WorkersPre,
};
use wasmtime::Store;
use wasmtime::component::InstancePre;
use wasmtime_wasi_http::p2::bindings::{Proxy, ProxyPre};
#[cfg(feature = "p3")]
use wasmtime_wasi_http::p3::bindings::{Service, ServicePre};

use crate::inspect::{HandlerKind, Shape};
use crate::state::CallState;

/// Which of its handlers a component is instantiated for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Http,
    Channel,
    EventStream,
    Job,
    Process,
    Socket,
    Subscriber,
    Task,
    Warmer,
    WebSocket,
}

/// How it answers HTTP requests.
pub(crate) enum LinkedHttp {
    Fast(HttpPre<CallState>),
    Wasi02(ProxyPre<CallState>),
    #[cfg(feature = "p3")]
    Wasi03(ServicePre<CallState>),
}

/// What the component handles.
pub(crate) struct Linked {
    http: Option<LinkedHttp>,
    channels: Option<ChannelsPre<CallState>>,
    event_streams: Option<EventStreamsPre<CallState>>,
    jobs: Option<WorkersPre<CallState>>,
    processes: Option<ProcessesPre<CallState>>,
    sockets: Option<SocketsPre<CallState>>,
    subscribers: Option<SubscribersPre<CallState>>,
    tasks: Option<BackgroundPre<CallState>>,
    warmers: Option<WarmersPre<CallState>>,
    websockets: Option<WebsocketsPre<CallState>>,
}

/// A live guest.
pub(crate) enum Guest {
    Fast(Http),
    Wasi02(Proxy),
    #[cfg(feature = "p3")]
    Wasi03(Service),
    Channels(Channels),
    EventStreams(EventStreams),
    Jobs(Workers),
    Process(Processes),
    Sockets(Sockets),
    Subscribers(Subscribers),
    Tasks(Background),
    Warmers(Warmers),
    WebSockets(Websockets),
}

impl Linked {
    /// Links every handler that the component exports.
    ///
    /// # Errors
    /// When an export has a name of the contract and another type.
    pub(crate) fn new(pre: &InstancePre<CallState>, shape: &Shape) -> anyhow::Result<Self> {
        let http = shape.http.map(|kind| {
            let linked = match kind {
                HandlerKind::Fast => HttpPre::new(pre.clone()).map(LinkedHttp::Fast),
                HandlerKind::Wasi02 => ProxyPre::new(pre.clone()).map(LinkedHttp::Wasi02),
                #[cfg(feature = "p3")]
                HandlerKind::Wasi03 => ServicePre::new(pre.clone()).map(LinkedHttp::Wasi03),
                #[cfg(not(feature = "p3"))]
                HandlerKind::Wasi03 => Err(wasmtime::format_err!("built without the `p3` feature")),
            };
            typed(linked, kind.export())
        });
        let handlers = shape.handlers;
        Ok(Self {
            http: http.transpose()?,
            channels: slot(handlers.channels, Role::Channel, || ChannelsPre::new(pre.clone()))?,
            event_streams: slot(handlers.event_streams, Role::EventStream, || EventStreamsPre::new(pre.clone()))?,
            jobs: slot(handlers.jobs, Role::Job, || WorkersPre::new(pre.clone()))?,
            processes: slot(handlers.processes, Role::Process, || ProcessesPre::new(pre.clone()))?,
            sockets: slot(handlers.sockets, Role::Socket, || SocketsPre::new(pre.clone()))?,
            subscribers: slot(handlers.subscribers, Role::Subscriber, || SubscribersPre::new(pre.clone()))?,
            tasks: slot(handlers.tasks, Role::Task, || BackgroundPre::new(pre.clone()))?,
            warmers: slot(handlers.warmers, Role::Warmer, || WarmersPre::new(pre.clone()))?,
            websockets: slot(handlers.websockets, Role::WebSocket, || WebsocketsPre::new(pre.clone()))?,
        })
    }

    /// How it answers HTTP requests, if it does.
    pub(crate) fn http(&self) -> Option<HandlerKind> {
        self.http.as_ref().map(|http| match http {
            LinkedHttp::Fast(_) => HandlerKind::Fast,
            LinkedHttp::Wasi02(_) => HandlerKind::Wasi02,
            #[cfg(feature = "p3")]
            LinkedHttp::Wasi03(_) => HandlerKind::Wasi03,
        })
    }

    /// Whether there is a handler for this.
    pub(crate) fn handles(&self, role: Role) -> bool {
        match role {
            Role::Http => self.http.is_some(),
            Role::Channel => self.channels.is_some(),
            Role::EventStream => self.event_streams.is_some(),
            Role::Job => self.jobs.is_some(),
            Role::Process => self.processes.is_some(),
            Role::Socket => self.sockets.is_some(),
            Role::Subscriber => self.subscribers.is_some(),
            Role::Task => self.tasks.is_some(),
            Role::Warmer => self.warmers.is_some(),
            Role::WebSocket => self.websockets.is_some(),
        }
    }

    /// Any of the handlers: what to start a component as, to see that it starts.
    pub(crate) fn any(&self) -> Role {
        const ROLES: [Role; 10] = [
            Role::Http,
            Role::EventStream,
            Role::Subscriber,
            Role::Job,
            Role::Process,
            Role::Channel,
            Role::Socket,
            Role::WebSocket,
            Role::Task,
            Role::Warmer,
        ];
        ROLES.into_iter().find(|role| self.handles(*role)).unwrap_or(Role::Http)
    }

    /// The export that is called, for messages and logs.
    pub(crate) fn export(&self, role: Role) -> &'static str {
        match role {
            Role::Http => self.http().unwrap_or(HandlerKind::Fast).export(),
            other => other.export(),
        }
    }

    /// A fresh instance.
    pub(crate) async fn instantiate(&self, store: &mut Store<CallState>, role: Role) -> wasmtime::Result<Guest> {
        let missing = || wasmtime::format_err!("the component exports no `{}`", role.export());
        Ok(match role {
            Role::Http => match self.http.as_ref().ok_or_else(missing)? {
                LinkedHttp::Fast(pre) => Guest::Fast(pre.instantiate_async(store).await?),
                LinkedHttp::Wasi02(pre) => Guest::Wasi02(pre.instantiate_async(store).await?),
                #[cfg(feature = "p3")]
                LinkedHttp::Wasi03(pre) => Guest::Wasi03(pre.instantiate_async(store).await?),
            },
            Role::Channel => {
                let pre = self.channels.as_ref().ok_or_else(missing)?;
                Guest::Channels(pre.instantiate_async(store).await?)
            }
            Role::EventStream => {
                let pre = self.event_streams.as_ref().ok_or_else(missing)?;
                Guest::EventStreams(pre.instantiate_async(store).await?)
            }
            Role::Job => Guest::Jobs(self.jobs.as_ref().ok_or_else(missing)?.instantiate_async(store).await?),
            Role::Process => {
                let pre = self.processes.as_ref().ok_or_else(missing)?;
                Guest::Process(pre.instantiate_async(store).await?)
            }
            Role::Socket => Guest::Sockets(self.sockets.as_ref().ok_or_else(missing)?.instantiate_async(store).await?),
            Role::Subscriber => {
                let pre = self.subscribers.as_ref().ok_or_else(missing)?;
                Guest::Subscribers(pre.instantiate_async(store).await?)
            }
            Role::Task => Guest::Tasks(self.tasks.as_ref().ok_or_else(missing)?.instantiate_async(store).await?),
            Role::Warmer => Guest::Warmers(self.warmers.as_ref().ok_or_else(missing)?.instantiate_async(store).await?),
            Role::WebSocket => {
                let pre = self.websockets.as_ref().ok_or_else(missing)?;
                Guest::WebSockets(pre.instantiate_async(store).await?)
            }
        })
    }
}

impl Role {
    const fn export(self) -> &'static str {
        match self {
            Self::Http => "skep:plugin/http-handler#handle",
            Self::Channel => "skep:plugin/channel-handler#handle-in",
            Self::EventStream => "skep:plugin/event-stream-handler#open",
            Self::Job => "skep:plugin/job-handler#perform",
            Self::Process => "skep:plugin/process-handler#handle",
            Self::Socket => "skep:plugin/socket-handler#connect",
            Self::Subscriber => "skep:plugin/subscriber#receive",
            Self::Task => "skep:plugin/task-handler#run",
            Self::Warmer => "skep:plugin/cache-warmer#warm",
            Self::WebSocket => "skep:plugin/websocket-handler#handle-message",
        }
    }
}

fn slot<T>(exported: bool, role: Role, link: impl FnOnce() -> wasmtime::Result<T>) -> anyhow::Result<Option<T>> {
    exported.then(|| typed(link(), role.export())).transpose()
}

fn typed<T>(linked: wasmtime::Result<T>, export: &str) -> anyhow::Result<T> {
    let interface = export.split('#').next().unwrap_or(export);
    linked.map_err(anyhow::Error::from).with_context(|| format!("the export `{interface}` has another type"))
}
