//! A server that does nothing but write the same bytes to all, or to one: what no server can beat on a machine.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

/// What the author of a bare server asks for, a byte each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Floor {
    /// The bytes for everybody but the author.
    All = 1,
    /// The bytes for the author.
    Echo = 2,
}

/// Serves until its author hangs up. It says where it listens, and takes so many connections: the first one is the author.
/// Each answer is a frame with a payload of so many bytes, at most 125, written once to each connection by plain loops in so
/// many threads, or once by one.
///
/// # Errors
/// When it cannot listen, or a client does not read.
pub fn serve_floor(clients: usize, bytes: u8, threads: usize, listens: impl FnOnce(SocketAddr)) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listens(listener.local_addr()?);
    let (mut author, _) = listener.accept()?;
    author.set_nodelay(true)?;
    let mut streams = Vec::with_capacity(clients);
    for _ in 1..clients {
        let (stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        streams.push(stream);
    }
    let mut frame = vec![b'x'; 2 + usize::from(bytes.min(125))];
    if let Some(head) = frame.first_chunk_mut() {
        *head = [0x81, bytes.min(125)];
    }
    let mut asked = [0];
    while author.read(&mut asked)? > 0 {
        if asked == [Floor::Echo as u8] {
            author.write_all(&frame)?;
        } else {
            write_all(&streams, &frame, threads)?;
        }
    }
    Ok(())
}

fn write_all(streams: &[TcpStream], frame: &[u8], threads: usize) -> io::Result<()> {
    let write = |part: &[TcpStream]| part.iter().try_for_each(|stream| (&mut &*stream).write_all(frame));
    if threads == 1 {
        return write(streams);
    }
    std::thread::scope(|scope| {
        let parts = streams.chunks(streams.len().div_ceil(threads).max(1));
        let writers: Vec<_> = parts.map(|part| scope.spawn(move || write(part))).collect();
        writers
            .into_iter()
            .try_for_each(|writer| writer.join().unwrap_or_else(|_| Err(io::Error::other("a writer panicked"))))
    })
}
