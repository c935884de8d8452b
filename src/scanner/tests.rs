//! The registry client against scripted servers on loopback sockets.

mod authentication;
mod hostile;
mod inspect;
mod listing;
mod server;
