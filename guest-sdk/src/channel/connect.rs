//! Who may open a socket.

use std::fmt;

use serde::Serialize;

use crate::{
    __private::bindings::sockets::exports::skep::plugin::socket_handler as wit,
    Error, FromRequest, IntoResponse, Rejection, Request, Response, Result, StatusCode, codec,
    web::{Asked, export::lift},
};

/// The socket that a client wants to open. Take it as an argument of a function under
/// [`#[skep::socket]`](crate::skep::socket).
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connecting {
    /// The mount, as the manifest writes it: `"/socket"`.
    pub mount: String,
    /// What the client gave as its token: `authToken` of phoenix.js.
    pub token: Option<String>,
}

impl Connecting {
    pub(crate) fn new(mount: String, token: Option<String>) -> Self {
        Self { mount, token }
    }
}

/// Without the token, which is a secret.
impl fmt::Debug for Connecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = self.token.as_ref().map(|_| "[token]");
        f.debug_struct("Connecting").field("mount", &self.mount).field("token", &token).finish()
    }
}

impl FromRequest for Connecting {
    type Rejection = Rejection;

    fn from_request(request: &Request) -> Result<Self, Rejection> {
        request.extensions().get::<Self>().cloned().ok_or_else(|| {
            let text = "this route leads to a handler that wants to open a socket";
            Rejection::new(StatusCode::INTERNAL_SERVER_ERROR, "no-socket", text)
        })
    }
}

/// The plugin's yes to a client that opens a socket: what its channels know of it, and a name for
/// [`disconnect`](super::disconnect).
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use skep_sdk::{prelude::*, test};
///
/// #[derive(Serialize, Deserialize)]
/// struct User {
///     name: String,
/// }
///
/// #[skep::socket]
/// fn connect(connecting: Connecting) -> Result<Connected> {
///     let token = connecting.token.reject(StatusCode::UNAUTHORIZED, "sign in first")?;
///     let user = cache::bucket("tokens")?.get::<User>(&token)?.reject(StatusCode::UNAUTHORIZED, "sign in again")?;
///     Ok(Connected::new(&user).id(format!("user:{}", user.name)))
/// }
///
/// cache::bucket("tokens")?.put("secret", &User { name: "maja".into() })?;
/// let socket = test::get("/socket/websocket").connect(Some("secret"), connect).unwrap();
/// assert_eq!((socket.id().as_deref(), socket.assigns::<User>().name.as_str()), (Some("user:maja"), "maja"));
/// assert!(test::get("/socket/websocket").connect(None, connect).unwrap_err().contains("sign in first"));
/// # Ok::<_, Error>(())
/// ```
#[derive(Debug, Default)]
#[must_use]
pub struct Connected {
    pub(crate) id: Option<String>,
    pub(crate) assigns: Vec<u8>,
    /// What does not encode: the client is refused.
    pub(crate) error: Option<Error>,
}

impl Connected {
    /// With what the channels of this socket begin with: [`Socket::assigns`](super::Socket::assigns) reads it. At most 16 KiB
    /// as JSON, unless the manifest says otherwise.
    pub fn new<T: Serialize + ?Sized>(assigns: &T) -> Self {
        match codec::to_json(assigns) {
            Ok(assigns) => Self { assigns, ..Self::default() },
            Err(error) => {
                let error = Error::from(error).context("writing what a socket is opened with");
                Self { error: Some(error), ..Self::default() }
            }
        }
    }

    /// With a name under which [`disconnect`](super::disconnect) closes it, of 1 to 255 bytes without control characters and `*`.
    /// Several sockets may have the same, as those of one user.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }
}

/// What the function under [`#[skep::socket]`](crate::skep::socket) returns: [`Connected`], or a [`Result`] of it whose error
/// refuses the client with a 403.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say whether a socket opens",
    label = "the host cannot open a socket with this",
    note = "it returns `Connected`, or `Result<Connected>`; an `Err` refuses the client: any error that `?` takes, a `Rejection`, a `StatusCode`, a `Response`"
)]
pub trait Connects {
    /// Yes, or why not, for the log.
    #[allow(clippy::missing_errors_doc, reason = "it passes on what it is given")]
    fn into_connected(self) -> Result<Connected, String>;
}

impl Connects for Connected {
    fn into_connected(self) -> Result<Self, String> {
        match self.error {
            Some(error) => Err(error.to_string()),
            None => Ok(self),
        }
    }
}

impl<E: IntoResponse> Connects for Result<Connected, E> {
    fn into_connected(self) -> Result<Connected, String> {
        self.map_err(|error| refusal(&error.into_response()))?.into_connected()
    }
}

/// A response in a line.
fn refusal(response: &Response) -> String {
    format!("{}: {}", response.status(), String::from_utf8_lossy(response.body()))
}

/// What a client that wants a socket is answered by a function of extractors.
pub(crate) fn decide<M, F>(connect: F, mut request: Request, connecting: Connecting) -> Result<Connected, String>
where
    F: Asked<M, Answer: Connects>,
{
    request.extensions_mut().insert(connecting);
    connect.ask(request).map_err(|rejection| refusal(&rejection))?.into_connected()
}

/// What the exported `connect` does.
#[allow(clippy::missing_errors_doc, reason = "it passes on what it is given")]
pub fn connect<M, F>(connect: F, request: wit::Request, connecting: wit::Connecting) -> Result<wit::Connected, String>
where
    F: Asked<M, Answer: Connects>,
{
    let wit::Connecting { mount, token } = connecting;
    let request = lift(request).map_err(|rejection| rejection.to_string())?;
    let Connected { id, assigns, .. } = decide(connect, request, Connecting::new(mount, token))?;
    Ok(wit::Connected { id, assigns })
}
