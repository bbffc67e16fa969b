//! `skep:plugin/socket-handler`: who may open a socket.

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use skep_bindings::socket_handler::{Connected as Said, Connecting as Told};
use skep_channels::{Connected, Connecting};
use skep_types::{ByteSize, Call, Failure, FailureKind, Phase, TopicName};
use wasmtime::Store;

use crate::drive::errand::Errand;
use crate::drive::fast::RequestText;
use crate::linked::{Guest, Role};
use crate::revision::Revision;
use crate::state::CallState;

impl Revision {
    /// Whether it decides over sockets.
    #[must_use]
    pub fn opens_sockets(&self) -> bool {
        self.handles(Role::Socket)
    }

    /// Asks the plugin whether a client may have a socket at a mount. What its channels begin with may have `assigns` bytes.
    ///
    /// # Errors
    /// Every way for the call to end without an answer; the inner error says why the client may not.
    pub async fn connect_socket(
        self: &Arc<Self>,
        call: Call,
        mount: &str,
        client: &Connecting,
        assigns: ByteSize,
    ) -> Result<Result<Connected, String>, Failure> {
        let text = RequestText::plain(client.uri.clone(), &client.headers);
        let connect = Connect { text, mount, token: client.token.as_deref() };
        self.run_errand(call, self.limits().deadline, connect, |said| match said {
            Err(why) => Ok(Err(why)),
            Ok(said) => connected(said, assigns).map(Ok),
        })
        .await
    }
}

fn connected(said: Said, assigns: ByteSize) -> Result<Connected, Failure> {
    let bad = |why: String| Failure::new(FailureKind::BadAnswer, Phase::Handle, why);
    if said.assigns.len() as u64 > assigns.0 {
        let why = format!("{} bytes of assigns, and they may have {assigns}: raise `assigns`", said.assigns.len());
        return Err(bad(why));
    }
    let name = said.id.map(|id| TopicName::new(&id)).transpose();
    let name = name.map_err(|error| bad(format!("the socket's id: {error}")))?;
    Ok(Connected { name, assigns: said.assigns.into() })
}

struct Connect<'a> {
    text: RequestText,
    mount: &'a str,
    token: Option<&'a str>,
}

impl Errand for Connect<'_> {
    type Answer = Result<Said, String>;
    const ROLE: Role = Role::Socket;

    fn charge(&self) -> usize {
        self.text.len() + self.mount.len() + self.token.map_or(0, str::len)
    }

    async fn ask(&self, store: &mut Store<CallState>, guest: &Guest) -> Option<wasmtime::Result<Self::Answer>> {
        let Guest::Sockets(guest) = guest else { return None };
        let nothing = Bytes::new();
        let request = self.text.request(&Method::GET, &nothing);
        let connecting = Told { mount: self.mount, token: self.token };
        Some(guest.skep_plugin_socket_handler().call_connect(store, request, connecting).await)
    }
}
