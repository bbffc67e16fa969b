//! Sockets over loopback, with a client of another house.

mod longpoll;
mod rig;
mod websocket;
