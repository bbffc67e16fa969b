//! The attribute macros of `skep-sdk`. Plugins reach them as `skep` through the SDK's prelude.
//!
//! Every macro leaves the author's function as it is, checks it natively at the author's lines, and adds the component's
//! export on wasm only.

mod blocks;
mod channel;
mod event_stream;
mod export;
mod gate;
mod http;
mod job;
mod many;
mod process;
mod socket;
mod subscribe;
mod task;
mod warmer;
mod websocket;

use proc_macro::TokenStream;

/// Makes a function the plugin's HTTP handler.
///
/// Its arguments are extractors, up to twelve in any order, and its return value is an answer; or it takes nothing and
/// returns a `Router`. A plugin has one.
///
/// ```text
/// use skep_sdk::prelude::*;
///
/// #[skep::http]
/// fn hello(req: Request) -> impl IntoResponse {
///     format!("hello {}", req.path())
/// }
/// ```
#[proc_macro_attribute]
pub fn http(arguments: TokenStream, item: TokenStream) -> TokenStream {
    http::HTTP.expand(&arguments.into(), item.into()).into()
}

/// Makes a function the plugin's cache warmer: it fills what is to be warm before anybody asks for it.
///
/// It takes the name it runs under, as `&str`, or nothing, and returns `Result<()>`; the error may be any that `?` takes
/// in a handler. A plugin has one warmer, and its manifest says under which names it runs, and when:
///
/// ```toml
/// [plugins.shop.warmers.prices]
/// every = "1m"
/// required = true
///
/// [plugins.shop.warmers.ranking]
/// every = "10s"
/// ```
///
/// ```text
/// use skep_sdk::prelude::*;
///
/// #[skep::warmer]
/// fn warm(name: &str) -> Result<()> {
///     match name {
///         "prices" => cache::bucket("prices")?.put("all", &prices()?),
///         "ranking" => cache::bucket("board")?.put("ranking", &rank()?),
///         _ => Err("no such warmer".into()),
///     }
/// }
/// ```
///
/// The host runs it under each name at its start and after a reload, and then every so often as the manifest says. Each
/// run is a call like any other: in an instance of its own, with the plugin's limits. An error is logged in one line,
/// with its contexts and causes, and the run is tried again; a `required` warmer holds the host's start back until it
/// succeeds.
///
/// What it puts into a bucket should live longer than the interval, or there is a gap until the next run is through.
#[proc_macro_attribute]
pub fn warmer(arguments: TokenStream, item: TokenStream) -> TokenStream {
    warmer::WARMER.expand(&arguments.into(), item.into()).into()
}

/// Makes a function the plugin's subscriber: it hears what is published on a topic, `"orders:42"`, or on all that begin
/// so, `"orders:*"`. A topic of another plugin, which the manifest must grant, is written `"shop/orders:*"`.
///
/// It takes one of
/// - the value, of any serde type, which is decoded from JSON: `fn on_order(order: Order)`;
/// - the topic and the value: `fn on_order(topic: &str, order: Order)`;
/// - a `Message`, with or without the topic before it: the event's name, the id and the bytes;
/// - `&[Message]`: all that the host has, where the manifest allows several at once;
///
/// and returns `Result<()>`; the error may be any that `?` takes in a handler. The subscription's name, in the manifest and
/// in metrics, is the function's. A plugin has one such function; `#[skep::subscribers]` makes it several.
///
/// ```text
/// use skep_sdk::prelude::*;
///
/// #[skep::subscribe("orders:*")]
/// fn on_order(topic: &str, order: Order) -> Result<()> {
///     cache::bucket("sold")?.increment(&order.item, 1).context(format!("counting {topic}"))?;
///     Ok(())
/// }
/// ```
///
/// Each message, or each batch, is a call like any other: in an instance of its own, with the plugin's limits. Messages of
/// one topic come one after the other in their order, those of several topics side by side. After an error or a crash the
/// message is set aside as a dead letter, which the operator can look at; so is a message that does not decode, with a
/// text that names the topic and the reason. It is not tried again.
#[proc_macro_attribute]
pub fn subscribe(arguments: TokenStream, item: TokenStream) -> TokenStream {
    subscribe::SUBSCRIBE.expand_one(&arguments.into(), item.into()).into()
}

/// Makes the functions of a module that stand under `#[subscribe("..")]` the plugin's subscribers. What holds for each of
/// them is what `#[skep::subscribe]` says; the rest of the module stays as it is. A plugin has one such module.
///
/// ```text
/// #[skep::subscribers]
/// mod listeners {
///     use skep_sdk::prelude::*;
///
///     #[subscribe("orders:*")]
///     fn on_order(order: super::Order) -> Result<()> { .. }
///
///     #[subscribe("users:new")]
///     fn on_user(message: Message) -> Result<()> { .. }
/// }
/// ```
#[proc_macro_attribute]
pub fn subscribers(arguments: TokenStream, item: TokenStream) -> TokenStream {
    subscribe::SUBSCRIBE.expand_module(&arguments.into(), item.into()).into()
}

/// Makes a function the plugin's task: work beside a call, in an instance of its own.
///
/// It takes one value of any serde type, or nothing, and returns `Result` of another. It stays an ordinary function, and a
/// type of the same name beside it gives it work: `resize::start(&args)` runs it when this call has ended, and
/// `resize::map(list)` runs it for each of a list, in parallel. A plugin has one such function; `#[skep::tasks]` makes it
/// several.
///
/// ```text
/// use skep_sdk::prelude::*;
///
/// #[skep::task]
/// fn resize(image: Image) -> Result<Thumb> { .. }
///
/// #[skep::http]
/// fn upload(Json(images): Json<Vec<Image>>) -> Result<Json<Vec<Thumb>>> {
///     let thumbs = resize::map(&images).concurrency(8).ordered()?;
///     Ok(Json(thumbs.collect::<Result<_, _>>()?))
/// }
/// ```
///
/// An error is told to whoever waits for the result, as `TaskError::Failed` with its text; a task that the host ended, for
/// a trap or a limit, is `TaskError::Crashed`. Whoever needs the function and its type elsewhere imports both with one
/// `use work::resize`.
#[proc_macro_attribute]
pub fn task(arguments: TokenStream, item: TokenStream) -> TokenStream {
    task::TASK.expand_one(&arguments.into(), item.into()).into()
}

/// Makes the functions of a module that stand under `#[task]` the plugin's tasks. What holds for each of them is what
/// `#[skep::task]` says; the rest of the module stays as it is. A plugin has one such module.
///
/// ```text
/// #[skep::tasks]
/// mod work {
///     use skep_sdk::prelude::*;
///
///     #[task]
///     pub fn resize(image: super::Image) -> Result<super::Thumb> { .. }
///
///     #[task]
///     pub fn forget(user: u64) -> Result<()> { .. }
/// }
///
/// work::forget::start(&7)?;
/// ```
#[proc_macro_attribute]
pub fn tasks(arguments: TokenStream, item: TokenStream) -> TokenStream {
    task::TASK.expand_module(&arguments.into(), item.into()).into()
}

/// Makes a function the plugin's job: work that must happen, kept durably and tried again when it fails.
///
/// It takes one value of any serde type that has a place in JSON, or nothing; then, if it wants to know its id or which
/// attempt this is, `&Job`. It returns `JobResult`, or `JobResult<T>` of what is kept for those who await it, or a `Result`
/// with any error that `?` takes in a handler. It stays an ordinary function, and a type of the same name beside it
/// enqueues it: `welcome::enqueue(&args)?`, or `welcome::job(&args)` for one with more to say. A plugin has one such
/// function; `#[skep::jobs]` makes it several.
///
/// ```text
/// use skep_sdk::prelude::*;
///
/// #[skep::job(queue = "mail", max_attempts = 5, timeout = "30s")]
/// fn welcome(user: User, job: &Job) -> JobResult {
///     if !user.exists()? {
///         return Err(JobError::cancel("the account is gone"));
///     }
///     mail::send(&user.address, job.id)?;                           // an error: again, after a while
///     Ok(())
/// }
///
/// #[skep::http]
/// fn sign_up(Form(user): Form<User>) -> Result<StatusCode> {
///     welcome::job(&user).in_(MINUTE).unique_by(&user.name).enqueue()?;
///     Ok(StatusCode::ACCEPTED)
/// }
/// ```
///
/// | setting | default | |
/// |---|---|---|
/// | `queue` | `"default"` | the queue; `[plugins.shop.queues.mail]` in the manifest says how many of it run at once |
/// | `max_attempts` | 20 | how often it is tried before it is discarded |
/// | `priority` | 0 | 0 to 9; in its queue low ones come first |
/// | `timeout` | what the manifest says | the wall time of one attempt |
///
/// Each attempt is a call like any other: in an instance of its own, with the plugin's limits. A trap or a limit that ends
/// it is an error. It is done *at least* once: a host that dies at the wrong moment does it again.
#[proc_macro_attribute]
pub fn job(arguments: TokenStream, item: TokenStream) -> TokenStream {
    job::JOB.expand_one(&arguments.into(), item.into()).into()
}

/// Makes the functions of a module that stand under `#[job]` the plugin's jobs. What holds for each of them is what
/// `#[skep::job]` says; the rest of the module stays as it is. A plugin has one such module.
///
/// ```text
/// #[skep::jobs]
/// mod work {
///     use skep_sdk::prelude::*;
///
///     #[job(queue = "mail")]
///     pub fn welcome(user: super::User) -> JobResult { .. }
///
///     #[job(queue = "images", max_attempts = 3)]
///     pub fn resize(image: super::Image) -> JobResult<super::Thumb> { .. }
/// }
///
/// let thumb = work::resize::enqueue(&image)?;
/// ```
#[proc_macro_attribute]
pub fn jobs(arguments: TokenStream, item: TokenStream) -> TokenStream {
    job::JOB.expand_module(&arguments.into(), item.into()).into()
}

/// Makes a type the plugin's kind of processes: values with an owner each, who handles one message at a time and lives
/// until it stops. The attribute stands on the `impl` of the type, which is the state, and which is
/// `#[derive(Serialize, Deserialize)]`: a process is saved when it sleeps, and when it moves to a new revision of the plugin.
///
/// | function | what it is for |
/// |---|---|
/// | `init(args: A, ctx) -> Self` | begins; or `-> Result<Self>`, whose error is what the one who starts it is told |
/// | `call(&mut self, message: M, ctx) -> R` | a call: `R` is a serde type, `process::Reply<R>` if the answer may come later, or a `Result` of either |
/// | `cast(&mut self, message: M, ctx)` | what it is told without an answer |
/// | `info(&mut self, message: M, ctx)` | the same, never stored |
/// | `timer(&mut self, message: M, ctx)` | what it sent itself by `ctx.send_after` or `ctx.send_every` |
/// | `published(&mut self, message: M, ctx)` | what was published on a topic of `ctx.subscribe`; `topic: &str` may stand before it, and `M` may be `Message` |
/// | `down(&mut self, down: Down, ctx)` | the end of a process of `ctx.monitor` |
/// | `exit(&mut self, exit: Exit, ctx)` | the end of one that it is linked to, after `ctx.trap_exits(true)` |
/// | `terminate(&mut self, reason: &Reason)` | its own end, in order |
/// | `apply(&mut self, event: E)` | changes the state by what `ctx.append(self, event)` says happened, then and when it is replayed |
/// | `migrate(version: u32, old: O) -> Self` | reads what an earlier version saved; or `-> Result<Self>` |
///
/// Only `init` must be there; any other function is the author's own. `ctx: &mut Ctx` may be left out, and so may arguments
/// and messages that are nothing. In the `impl`, `Ctx` is short for `Ctx<Self>`. Those without an answer may return
/// `Result<()>`, whose error is logged.
///
/// ```text
/// use skep_sdk::prelude::*;
///
/// #[derive(Serialize, Deserialize)]
/// struct Cart { items: Vec<Item> }
///
/// #[skep::process]
/// impl Cart {
///     fn init() -> Self { .. }
///
///     fn call(&mut self, item: Item, ctx: &mut Ctx) -> Result<usize> {
///         self.items.push(item);
///         ctx.send_after(HOUR, &Remind)?;
///         Ok(self.items.len())
///     }
///
///     fn timer(&mut self, _: Remind) -> Result<()> { .. }
/// }
///
/// #[skep::http]
/// fn put(cookies: Cookies, Json(item): Json<Item>) -> Result<String> {
///     let cart = process::start_or_get::<Cart>(format!("cart:{}", user(&cookies)?), &())?;
///     Ok(cart.call(&item)?.to_string())
/// }
/// ```
///
/// | setting | default | |
/// |---|---|---|
/// | `name` | the type's, `"slow-loader"` for `SlowLoader` | of the kind, in the manifest and for operators |
/// | `version` | 1 | of the state's shape; from 2 on there is a `migrate` |
/// | `state` | `"json"` | how the state is saved; `"postcard"` is smaller, and *every* change of the shape is a new version |
/// | `part` | | one of several, which a module under `#[skep::processes]` lists |
///
/// `[plugins.shop.processes.cart]` in the manifest says what is kept of it, how often it is restarted, and how many there
/// may be. A plugin has one such `impl`; `#[skep::processes]` makes it several.
#[proc_macro_attribute]
pub fn process(arguments: TokenStream, item: TokenStream) -> TokenStream {
    process::PROCESSES.expand_one::<process::Kind>(&arguments.into(), item.into()).into()
}

/// Makes the types of a module whose `impl` stands under `#[process]` the plugin's kinds of processes. What holds for each of
/// them is what `#[skep::process]` says; the rest of the module stays as it is. A plugin has one such module.
///
/// ```text
/// #[skep::processes]
/// mod owners {
///     use skep_sdk::prelude::*;
///
///     #[process]
///     impl super::Cart { .. }
///
///     #[process(name = "till", version = 2)]
///     impl super::Register { .. }
///
///     #[process]
///     use super::stock::Stock;                    // in a file of its own, under `#[skep::process(part)]`
/// }
/// ```
#[proc_macro_attribute]
pub fn processes(arguments: TokenStream, item: TokenStream) -> TokenStream {
    process::PROCESSES.expand_module::<process::Kind>(&arguments.into(), item.into()).into()
}

/// Makes a function the one that says whether a client may listen to a topic, and what it sees first. The connection
/// belongs to the host: it writes what is published to the client for as long as that stays, whatever becomes of the
/// plugin.
///
/// Its arguments are extractors, as those of a handler, and `Opening`, which has the topic of the route and the stream as
/// an owner of presences. It returns `Result<EventStream>`; an error refuses the client, with the status that a handler's
/// error has. A plugin has one.
///
/// ```text
/// use skep_sdk::prelude::*;
///
/// #[skep::event_stream]
/// fn open(user: User, opening: Opening) -> Result<EventStream> {
///     may_see(&user, &opening.topic).reject(StatusCode::FORBIDDEN, "not yours")?;
///     opening.track(&user.name, &json!({"since": now()}))?;
///     Ok(EventStream::new().first(Event::html("row", row(&user)?)))
/// }
/// ```
///
/// What is published while it runs is not lost: the stream listens already.
#[proc_macro_attribute]
pub fn event_stream(arguments: TokenStream, item: TokenStream) -> TokenStream {
    event_stream::EVENT_STREAM.expand(&arguments.into(), item.into()).into()
}

/// Makes a type the plugin's channel: what clients join over a socket that Phoenix clients speak. The attribute stands on the
/// `impl` of the type, which is what one joined client is remembered by, and which is `#[derive(Serialize, Deserialize)]`: the
/// host keeps it between messages.
///
/// | function | what it is for |
/// |---|---|
/// | `join(params: P, socket) -> Result<Self>` | a client wants to join; or `-> Self`; with `(Self, Json<T>)` it is told something, with an error it is refused |
/// | `handle_in(&mut self, message: M, socket) -> R` | what the client says: `M` is an enum whose variants are the events; `event: &str, payload: P` may stand for it. `R` is the reply: nothing for none, `Json<T>`, `Bytes`, `channel::Reply`, an `Option` or a `Result` of these |
/// | `handle_out(&mut self, message: M, socket)` | a broadcast that is intercepted: the client gets what this pushes |
/// | `handle_info(&mut self, message: M, socket)` | what was published on a topic of `socket.subscribe`, or on its own but as no broadcast; `topic: &str` may stand before it, and `M` may be `Message` |
/// | `terminate(&mut self, end: &End, socket)` | its end: `socket.broadcast` tells others |
///
/// Only `join` must be there; any other function is the author's own. `socket: &mut Socket` may be left out, and so may what
/// is nothing. Those without an answer may return `Result<()>`, whose error is logged.
///
/// ```text
/// use skep_sdk::prelude::*;
///
/// #[derive(Serialize, Deserialize)]
/// struct Room { user: String }
///
/// #[skep::channel("room:*", intercept = ["new_msg"])]
/// impl Room {
///     fn join(params: Params, socket: &mut Socket) -> Result<Self> {
///         let User { name } = socket.assigns()?;
///         Presence::track(socket, &name, &json!({"since": now()}))?;
///         Presence::push(socket);
///         Ok(Room { user: name })
///     }
///
///     fn handle_in(&mut self, message: In, socket: &mut Socket) -> Result<Option<Json<Count>>> { .. }
///
///     fn handle_out(&mut self, _event: &str, said: Said, socket: &mut Socket) -> Result<()> { .. }
/// }
/// ```
///
/// | setting | |
/// |---|---|
/// | `"room:*"` | the topics: one, or all that begin so; of several channels the most exact one is joined |
/// | `intercept = ["new_msg"]` | broadcasts of these events go to `handle_out`, once for each client |
/// | `process` | it is a process: it is not handed in and out with each message, and sleeps when it is idle. The manifest says so, too, and what is intercepted: `channels."room:*" = { process = "room", intercept = ["new_msg"] }` |
/// | `name` | of the kind of processes; by default the type's, `"room"` |
/// | `part` | one of several, which a module under `#[skep::channels]` lists |
///
/// A plugin has one such `impl`; `#[skep::channels]` makes it several.
#[proc_macro_attribute]
pub fn channel(arguments: TokenStream, item: TokenStream) -> TokenStream {
    channel::CHANNELS.expand_one::<channel::Channel>(&arguments.into(), item.into()).into()
}

/// Makes the types of a module whose `impl` stands under `#[channel("..")]` the plugin's channels. What holds for each of them
/// is what `#[skep::channel]` says; the rest of the module stays as it is. A plugin has one such module.
///
/// ```text
/// #[skep::channels]
/// mod channels {
///     use skep_sdk::prelude::*;
///
///     #[channel("room:*")]
///     impl super::Room { .. }
///
///     #[channel("room:lobby")]
///     impl super::Lobby { .. }
///
///     #[channel]
///     use super::game::Game;                      // in a file of its own, under `#[skep::channel("game:*", part)]`
///
///     #[channel(process)]
///     use super::table::Table;                    // the same, for one that is a process
/// }
/// ```
#[proc_macro_attribute]
pub fn channels(arguments: TokenStream, item: TokenStream) -> TokenStream {
    channel::CHANNELS.expand_module::<channel::Channel>(&arguments.into(), item.into()).into()
}

/// Makes a function the one that says who may open a socket, and what its channels know of the client. The socket belongs to
/// the host: the function runs once, when a client comes.
///
/// Its arguments are extractors, as those of a handler: `Query<T>` has the client's parameters, `Connecting` its token. Of the
/// headers only those are there that the manifest names. It returns `Result<Connected>`; an error refuses the client with a 403,
/// and is logged. A plugin has one.
///
/// ```text
/// use skep_sdk::prelude::*;
///
/// #[skep::socket]
/// fn connect(connecting: Connecting) -> Result<Connected> {
///     let user = user_of(connecting.token.as_deref())?;
///     Ok(Connected::new(&user).id(format!("user:{}", user.id)))
/// }
/// ```
#[proc_macro_attribute]
pub fn socket(arguments: TokenStream, item: TokenStream) -> TokenStream {
    socket::SOCKET.expand(&arguments.into(), item.into()).into()
}

/// Makes a type the plugin's WebSockets that speak a protocol of its own, on the routes that the manifest marks `websocket`. The
/// attribute stands on the `impl` of the type, which is what one client is remembered by, and which is
/// `#[derive(Serialize, Deserialize)]`. The sockets belong to the host, which keeps it between messages.
///
/// | function | what it is for |
/// |---|---|
/// | `open(extractors ..) -> Result<Self>` | a client comes: extractors are those of a handler, and `Upgrade`; `Accepted<Self>` says more than `Self`, an error refuses it |
/// | `message(&mut self, frame: F, socket)` | what the client says: `Frame`, or any serde type, from JSON text |
/// | `handle_info(&mut self, message: M, socket)` | what was published on a topic of `socket.subscribe`; `topic: &str` may stand before it, and `M` may be `Message` |
/// | `close(&mut self, code: u16)` | its end |
///
/// `open` and `message` must be there. `socket: &mut WebSocket` may be left out. The others return nothing or `Result<()>`; an
/// error of `message` or `handle_info` closes the socket.
///
/// ```text
/// use skep_sdk::prelude::*;
///
/// #[derive(Serialize, Deserialize)]
/// struct Echo { said: u32 }
///
/// #[skep::websocket]
/// impl Echo {
///     fn open() -> Self { Echo { said: 0 } }
///
///     fn message(&mut self, frame: Frame, socket: &mut WebSocket) {
///         self.said += 1;
///         socket.send(frame);
///     }
/// }
/// ```
///
/// A plugin has one such `impl`.
#[proc_macro_attribute]
pub fn websocket(arguments: TokenStream, item: TokenStream) -> TokenStream {
    websocket::expand(&arguments.into(), item.into()).into()
}
