//! A cable between two network interfaces that is long, shaky or careless, where the kernel has no `netem`.
//!
//! It takes whole Ethernet frames from either interface and gives them to the other one later: `scripts/nat-lab` puts
//! it between a site and its internet. Whatever it loses without having been told to is counted, and said at the end.

mod args;
mod hands;
mod wire;

use std::process::ExitCode;

use args::{Args, HELP};

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1).peekable();
    if words.peek().is_none_or(|word| word == "--help" || word == "-h") {
        return say(HELP, ExitCode::SUCCESS);
    }
    let args = match Args::parse(words) {
        Ok(args) => args,
        Err(error) => return complain(&error.to_string(), ExitCode::from(64)),
    };
    match hands::carry(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&error.to_string(), ExitCode::FAILURE),
    }
}

#[expect(clippy::print_stdout, reason = "what was asked for")]
fn say(text: &str, code: ExitCode) -> ExitCode {
    println!("{text}");
    code
}

#[expect(clippy::print_stderr, reason = "the one line that says why it ends")]
fn complain(text: &str, code: ExitCode) -> ExitCode {
    eprintln!("lab-wire: {text}");
    code
}
