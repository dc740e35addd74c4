//! Connections over loopback, with real sockets on both ends and a clock that the test moves.

mod limits;
mod plain;
mod tls;
mod world;
