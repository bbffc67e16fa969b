//! Reaching for what the manifest did not grant: environment, files, sockets, randomness, logs.

use std::net::SocketAddrV4;

use hostile_common::flood;
use wasip2::sockets::instance_network::instance_network;
use wasip2::sockets::network::{ErrorCode, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress};
use wasip2::sockets::tcp_create_socket::create_tcp_socket;

use crate::Call;

/// One variable, or all of them as lines.
pub(crate) fn env(call: Call) {
    match call.query.get("name") {
        Some(name) => match std::env::var(name) {
            Ok(value) => call.out.text(200, &value),
            Err(error) => call.out.text(404, &error.to_string()),
        },
        None => {
            let lines: String = std::env::vars().map(|(name, value)| format!("{name}={value}\n")).collect();
            call.out.text(200, &lines);
        }
    }
}

/// The arguments, one a line.
pub(crate) fn args(call: Call) {
    // The bindings and not `std::env::args`, which is empty in a library that has no `main`.
    let lines: String = wasip2::cli::environment::get_arguments().iter().map(|arg| format!("{arg}\n")).collect();
    call.out.text(200, &lines);
}

/// A file's bytes, or 403 with the error.
pub(crate) fn files(call: Call) {
    match std::fs::read(call.query.get("path").unwrap_or("/")) {
        Ok(bytes) => call.out.bytes(200, &bytes),
        Err(error) => call.out.text(403, &format!("{:?}: {error}", error.kind())),
    }
}

/// Writes a file and says so, or 403 with the error.
pub(crate) fn write(call: Call) {
    let text = call.query.get("text").unwrap_or("written by the guest");
    match std::fs::write(call.query.get("path").unwrap_or("/file"), text) {
        Ok(()) => call.out.text(200, "written"),
        Err(error) => call.out.text(403, &format!("{:?}: {error}", error.kind())),
    }
}

/// Opens a raw TCP connection: 200 "connected", or 403 with the error's name and where it came.
pub(crate) fn connect(call: Call) {
    let Some(address) = call.query.get("addr").and_then(|address| address.parse().ok()) else {
        return call.out.text(400, "addr=IP:PORT, IPv4 only");
    };
    match tcp_connect(address) {
        Ok(()) => call.out.text(200, "connected"),
        Err((step, code)) => call.out.text(403, &format!("{} in {step}", code.name())),
    }
}

fn tcp_connect(address: SocketAddrV4) -> Result<(), (&'static str, ErrorCode)> {
    let network = instance_network();
    let socket = create_tcp_socket(IpAddressFamily::Ipv4).map_err(|code| ("create-tcp-socket", code))?;
    let [a, b, c, d] = address.ip().octets();
    let remote = Ipv4SocketAddress { port: address.port(), address: (a, b, c, d) };
    socket.start_connect(&network, IpSocketAddress::Ipv4(remote)).map_err(|code| ("start-connect", code))?;
    loop {
        match socket.finish_connect() {
            Ok(_) => return Ok(()),
            Err(ErrorCode::WouldBlock) => socket.subscribe().block(),
            Err(code) => return Err(("finish-connect", code)),
        }
    }
}

/// Answers so many random bytes, taken in one host call.
pub(crate) fn random(call: Call) {
    let bytes = wasip2::random::random::get_random_bytes(call.query.number("bytes", 16));
    call.out.bytes(200, &bytes);
}

/// Logs exactly so many bytes, in numbered lines.
pub(crate) fn log_flood(call: Call) {
    let bytes = usize::try_from(call.query.number("bytes", 1 << 20)).unwrap_or(usize::MAX);
    let flooded = match call.query.get("to") {
        Some("stderr") => flood(std::io::stderr(), bytes),
        _ => flood(std::io::stdout(), bytes),
    };
    match flooded {
        Ok(()) => call.out.text(200, &bytes.to_string()),
        Err(error) => call.out.text(500, &error.to_string()),
    }
}
