//! The registry client against scripted servers on loopback sockets.

mod authentication;
mod hostile;
mod inspect;
mod limits;
mod listing;
mod server;
mod sharing;
