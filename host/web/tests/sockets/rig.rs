//! A front with a mount at `/socket` whose guest echoes and shouts.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request};
use skep_channels::{
    Action, Body, Channel, ChannelHandler, Channels, Connected, Connecting, Frame, Info, Joined, Joining, Message,
    Mount, Options, RawAccepted, RawAction, RawDecision, RawHandler, RawOpening, RawRefusal, RawRequest, RawSocket,
    Refused, SocketHandler, SocketOptions, Speech, Table, Target, Working,
};
use skep_presence::{Announce, Diff, Presence};
use skep_pubsub::PubSub;
use skep_types::{Call, Failure, PluginName, SystemClock, TopicId, TopicName};
use skep_web::errors::ErrorStyle;
use skep_web::{
    EndpointOptions, Front, FrontOptions, Handler, HandlerFuture, Layers, Pattern, RequestBody, RouteTable, Server,
    ServerOptions, SocketEndpoint, TrustedProxies,
};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Tells with which codes its raw sockets have ended.
pub(crate) struct Guest(PluginName, Sender<u16>);

impl SocketHandler for Guest {
    fn owner(&self) -> &PluginName {
        &self.0
    }

    /// The name of the socket is what the client says of itself, all of it.
    fn connect(&self, client: Connecting) -> Pin<Box<dyn Future<Output = Result<Connected, Refused>> + Send>> {
        Box::pin(async move {
            let of = |name: &str| client.params.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
            if of("deny").is_some() {
                return Err(Refused::Denied);
            }
            let (user, token) = (of("user").unwrap_or_default(), client.token.unwrap_or_default());
            let headers: Vec<_> = client.headers.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let name = TopicName::new(&format!("user:{user}:{token}:{}", headers.join(","))).unwrap();
            Ok(Connected { name: Some(name), ..Connected::default() })
        })
    }
}

impl ChannelHandler for Guest {
    fn owner(&self) -> &PluginName {
        &self.0
    }

    fn join(&self, channel: Channel, _: Joining) -> Working<Result<Joined, Body>> {
        let name = serde_json::json!(channel.socket.name().map(TopicName::as_str)).to_string();
        Box::pin(async move { Ok(Ok(Joined { reply: Body::Json(name), assigns: None, actions: vec![] })) })
    }

    fn handle_in(&self, _: Channel, message: Message) -> Working<Vec<Action>> {
        Box::pin(async move {
            Ok(match message.event.as_str() {
                "shout" => vec![Action::Broadcast { event: "shouted".into(), body: message.body }],
                _ => vec![Action::Reply { status: "ok".into(), body: message.body }],
            })
        })
    }

    fn handle_out(&self, _: Channel, _: Arc<str>, _: Body) -> Working<Vec<Action>> {
        Box::pin(async { Ok(vec![]) })
    }

    fn handle_info(&self, _: Channel, _: Info) -> Working<Vec<Action>> {
        Box::pin(async { Ok(vec![]) })
    }

    fn terminate(&self, _: Channel, _: String) -> Working<()> {
        Box::pin(async { Ok(()) })
    }
}

/// Lets in whoever speaks `mqtt` or nothing, sends everything back, and closes when told to.
impl RawHandler for Guest {
    fn owner(&self) -> &PluginName {
        &self.0
    }

    fn open(&self, opening: RawOpening) -> Pin<Box<dyn Future<Output = Result<RawDecision, Failure>> + Send>> {
        Box::pin(async move {
            let RawRequest { call, uri, headers, protocols } = opening.request;
            let team = headers.iter().find(|(name, _)| name == "x-team").map(|(_, value)| value.clone());
            if uri.ends_with("?odd") {
                return Ok(RawDecision::Refuse(RawRefusal { status: 101, ..RawRefusal::default() }));
            }
            let protocol = protocols.iter().find(|protocol| *protocol == "mqtt").cloned();
            if protocol.is_none() && !protocols.is_empty() {
                let headers = vec![("x-speaks".to_owned(), "mqtt".into()), ("x-speaks".to_owned(), "nothing".into())];
                return Ok(RawDecision::Refuse(RawRefusal { status: 418, headers, body: "speak mqtt".into() }));
            }
            let told = format!("hello {} {} {team:?}", call.client, uri.rsplit('/').next().unwrap_or_default());
            let actions = vec![RawAction::Send(Frame::Text(told.into()))];
            Ok(RawDecision::Accept(RawAccepted { protocol, actions, ..RawAccepted::default() }))
        })
    }

    fn message(&self, _: RawSocket, frame: Frame) -> Working<Vec<RawAction>> {
        Box::pin(async move {
            Ok(match &frame {
                Frame::Text(text) if text == "bye" => vec![RawAction::Close(3001, "as asked".into())],
                _ => vec![RawAction::Send(frame)],
            })
        })
    }

    fn info(&self, _: RawSocket, _: Info) -> Working<Vec<RawAction>> {
        Box::pin(async { Ok(vec![]) })
    }

    fn close(&self, _: RawSocket, code: u16) -> Working<()> {
        let codes = self.1.clone();
        Box::pin(async move {
            codes.try_send(code).unwrap();
            Ok(())
        })
    }
}

struct Nobody;

impl Announce for Nobody {
    fn announce(&self, _: &TopicId, _: &Diff) {}
}

struct Route {
    name: PluginName,
    endpoint: Arc<SocketEndpoint>,
    longpoll: bool,
}

impl Handler for Route {
    fn plugin(&self) -> &PluginName {
        &self.name
    }

    fn call(&self, call: Call, request: Request<RequestBody>) -> HandlerFuture {
        let (endpoint, longpoll) = (Arc::clone(&self.endpoint), self.longpoll);
        Box::pin(async move {
            if longpoll { endpoint.longpoll(call, request).await } else { endpoint.websocket(call, request).await }
        })
    }
}

pub(crate) struct Rig {
    pub(crate) channels: Channels,
    pub(crate) address: SocketAddr,
    pub(crate) server: Server,
    /// The codes that raw sockets have ended with.
    pub(crate) ended: Receiver<u16>,
}

pub(crate) async fn rig() -> Rig {
    rig_with(SocketOptions::default(), EndpointOptions::default()).await
}

pub(crate) async fn rig_with(options: SocketOptions, endpoint: EndpointOptions) -> Rig {
    let clock = Arc::new(SystemClock);
    let pubsub = PubSub::new(skep_pubsub::Options::new(clock.clone()));
    let presence = Presence::new(skep_presence::Options::default(), Arc::new(Nobody));
    let channels = Channels::new(Options::new(clock.clone(), pubsub, presence));
    let name = PluginName::new("chat").unwrap();
    let (codes, ended) = channel(100);
    let guest = || Arc::new(Guest(name.clone(), codes.clone()));
    let options = Arc::new(options);
    let target = |speech| Target { options: Arc::clone(&options), speech };
    let table = Table::new([("room:*".parse().unwrap(), guest() as Arc<dyn ChannelHandler>)]);
    let socket = Mount::new("/socket", target(Speech::Channels { socket: guest(), table }));
    let raw = Mount::new("/raw", target(Speech::Raw(guest())));
    let route = |path: &str, mount: &Arc<Mount>, longpoll| {
        let mount = Arc::clone(mount);
        let endpoint = SocketEndpoint { channels: channels.clone(), mount, options: endpoint.clone() };
        let handler = Route { name: name.clone(), endpoint: Arc::new(endpoint), longpoll };
        let pattern = Pattern { host: None, methods: Vec::<Method>::new(), path: path.to_owned() };
        (pattern, skep_web::Target::new(Arc::new(handler), &Layers::default(), ErrorStyle::Production))
    };
    let routes = [
        route("/socket/websocket", &socket, false),
        route("/socket/longpoll", &socket, true),
        route("/raw", &raw, false),
    ];
    let front = Front::new(FrontOptions {
        proxies: TrustedProxies::default(),
        errors: ErrorStyle::Production,
        access_log: false,
        clock,
    });
    front.swap(RouteTable::build(routes).unwrap());
    let options = ServerOptions {
        tls: None,
        header_timeout: Duration::from_secs(10),
        keep_alive: Duration::from_secs(10),
        max_connections: 1_000,
        max_headers: 100,
        max_header_bytes: 16 << 10,
        max_streams: 10,
    };
    let server = Server::start(front, &["127.0.0.1:0".parse().unwrap()], options).await.unwrap();
    Rig { channels, address: server.addresses()[0], server, ended }
}
