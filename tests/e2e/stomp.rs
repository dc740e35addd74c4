//! Raw STOMP over real sockets: what a Spring broker answers, and what is answered to bad input.

mod bad_input;
mod conversation;
mod spring;
