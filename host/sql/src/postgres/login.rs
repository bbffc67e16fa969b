//! From an address to a connection that may be asked.

use std::io;

use fallible_iterator::FallibleIterator as _;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::fault::{ServerError, Trouble};
use super::tls::encrypt;
use super::url::{Address, Host};
use super::wire::{Stream, Wire};

/// Who a connection is to the server, for whoever wants to interrupt it.
#[derive(Clone, Copy)]
pub(super) struct Key {
    process: i32,
    secret: i32,
}

/// Connects. The error says what is the matter, without a secret.
pub(super) async fn connect(address: &Address, tls: Option<&TlsConnector>) -> Result<(Wire, Key), String> {
    let mut wire = Wire::new(open(address, tls).await?);
    let parameters = [
        ("user", address.user.as_str()),
        ("database", &address.database),
        ("application_name", &address.application),
        ("client_encoding", "UTF8"),
        // So that the same value has the same text, whatever the server's settings are.
        ("DateStyle", "ISO"),
        ("TimeZone", "UTC"),
    ];
    frontend::startup_message(parameters, wire.outgoing()).map_err(|error| error.to_string())?;
    let key = log_in(&mut wire, address, tls.is_some()).await.map_err(|trouble| match trouble {
        Trouble::Server(error) | Trouble::Ended(error) => error.explain(),
        Trouble::Lost(why) => why,
        other => other.tell().to_string(),
    })?;
    Ok((wire, key))
}

/// Asks the server to interrupt what a connection does. It goes over a connection of its own.
pub(super) async fn cancel(address: &Address, tls: Option<&TlsConnector>, key: Key) -> Result<(), String> {
    let mut stream = open(address, tls).await?;
    let mut message = bytes::BytesMut::new();
    frontend::cancel_request(key.process, key.secret, &mut message);
    let done: io::Result<()> = async {
        stream.write_all(&message).await?;
        stream.flush().await?;
        // The server closes when it has passed it on.
        stream.read_u8().await.map(|_| ()).or(Ok(()))
    }
    .await;
    done.map_err(|error| error.to_string())
}

async fn open(address: &Address, tls: Option<&TlsConnector>) -> Result<Box<dyn Stream>, String> {
    let name = match &address.host {
        Host::Name(name) => name,
        Host::Folder(folder) => return open_socket(folder, address.port).await,
    };
    let stream = TcpStream::connect((name.as_str(), address.port)).await;
    let mut stream = stream.map_err(|error| error.to_string())?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let Some(connector) = tls else { return Ok(Box::new(stream)) };
    let mut message = bytes::BytesMut::new();
    frontend::ssl_request(&mut message);
    stream.write_all(&message).await.map_err(|error| error.to_string())?;
    match stream.read_u8().await.map_err(|error| error.to_string())? {
        b'S' => Ok(Box::new(encrypt(connector, name, stream).await?)),
        _ => Err("the server offers no TLS: set it up there, or say `sslmode=disable` in the URL".to_owned()),
    }
}

#[cfg(unix)]
async fn open_socket(folder: &std::path::Path, port: u16) -> Result<Box<dyn Stream>, String> {
    let path = folder.join(format!(".s.PGSQL.{port}"));
    let stream = tokio::net::UnixStream::connect(&path).await;
    stream.map_or_else(|error| Err(format!("{}: {error}", path.display())), |stream| Ok(Box::new(stream) as _))
}

#[cfg(not(unix))]
async fn open_socket(_: &std::path::Path, _: u16) -> Result<Box<dyn Stream>, String> {
    Err("there are no sockets in files on this system: give a host".to_owned())
}

async fn log_in(wire: &mut Wire, address: &Address, is_encrypted: bool) -> Result<Key, Trouble> {
    let lost = |error: io::Error| Trouble::Lost(error.to_string());
    let password = || {
        let missing = || Trouble::Lost("the server wants a password, and the URL has none".to_owned());
        address.password.as_deref().map(str::as_bytes).ok_or_else(missing)
    };
    let mut scram: Option<ScramSha256> = None;
    // A server that was asked to prove that it knows the password has to.
    let mut unproven = false;
    let mut key = Key { process: 0, secret: 0 };
    wire.send().await?;
    loop {
        match wire.receive().await? {
            Message::AuthenticationOk if !unproven => {}
            Message::AuthenticationCleartextPassword if is_encrypted || address.host.is_near() => {
                frontend::password_message(password()?, wire.outgoing()).map_err(lost)?;
                wire.send().await?;
            }
            Message::AuthenticationMd5Password(body) => {
                let hash = md5_hash(address.user.as_bytes(), password()?, body.salt());
                frontend::password_message(hash.as_bytes(), wire.outgoing()).map_err(lost)?;
                wire.send().await?;
            }
            Message::AuthenticationSasl(body) => {
                if !body.mechanisms().any(|mechanism| Ok(mechanism == SCRAM_SHA_256)).map_err(lost)? {
                    return Err(Trouble::Lost("the server offers no way to log in but unknown ones".to_owned()));
                }
                let begun = ScramSha256::new(password()?, ChannelBinding::unsupported());
                frontend::sasl_initial_response(SCRAM_SHA_256, begun.message(), wire.outgoing()).map_err(lost)?;
                (scram, unproven) = (Some(begun), true);
                wire.send().await?;
            }
            Message::AuthenticationSaslContinue(body) => {
                let scram = scram.as_mut().ok_or_else(unexpected)?;
                scram.update(body.data()).map_err(lost)?;
                frontend::sasl_response(scram.message(), wire.outgoing()).map_err(lost)?;
                wire.send().await?;
            }
            Message::AuthenticationSaslFinal(body) => {
                scram.take().ok_or_else(unexpected)?.finish(body.data()).map_err(lost)?;
                unproven = false;
            }
            Message::BackendKeyData(body) => key = Key { process: body.process_id(), secret: body.secret_key() },
            Message::ErrorResponse(body) => return Err(Trouble::Ended(ServerError::read(&body))),
            Message::ReadyForQuery(_) => {
                wire.answered();
                return Ok(key);
            }
            _ => return Err(unexpected()),
        }
    }
}

fn unexpected() -> Trouble {
    Trouble::Lost("the server wants to log us in in a way that is not known, or not safe without TLS".to_owned())
}
