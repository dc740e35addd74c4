//! `peer-cli nat` and `peer-cli doctor`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args as ClapArgs;

use super::values::{parse_length, parse_origin, parse_server};
use super::{Args, CallArgs, Command};
use crate::nat::StunServer;
use crate::report::JudgeLevel;
use crate::signaling::ServerUrl;

/// How long the call through the relay lasts.
const CALL_LENGTH: Duration = Duration::from_secs(1);

/// What stands below `peer-cli nat --help`.
pub(super) const NAT_HELP: &str = "\
Exit codes:
   0  it was found out, blocked UDP too
  64  usage: an option, a server or a file that cannot be used
   1  anything else, such as a name that cannot be resolved

Examples:
  peer-cli nat --server stun.example                  a server with two addresses tells everything
  peer-cli nat --server a.example --server b.example  two with one address each tell the mapping
  peer-cli nat --server stun.example --json           one line of JSON, such as
    {\"family\":\"ipv4\",\"udp\":\"ok\",\"public\":[\"1.2.3.4:5\"],\"local\":[\"192.168.1.2:5\"],
     \"mapping\":\"endpoint-independent\",\"filtering\":\"address-and-port-dependent\",
     \"port_preserved\":true,\"hairpin\":false}";

/// What stands below `peer-cli doctor --help`.
pub(super) const DOCTOR_HELP: &str = "\
Exit codes:
   0  calls from here can work: direct, or through a relay that was tried
  10  signaling is unreachable, or refuses
  14  the network is in the way: no UDP and no relay, or a NAT that needs a relay and none works
  64  usage: an option, a URL or a file that cannot be used
   1  anything else

Examples:
  peer-cli doctor --server wss://call.example/ws      with the STUN and TURN servers that it names
  peer-cli doctor --server wss://call.example/ws --ice stun:turn.example --ice turn:turn.example \\
      --ice 'turns:turn.example:443?transport=tcp' --ice-user bob --ice-password-file secret --json=doctor.json";

/// `peer-cli nat`
#[derive(Debug, ClapArgs)]
pub struct NatArgs {
    /// A STUN server with two addresses (RFC 5780), such as a dialtone-turn with --discovery; port 3478 where none is
    /// given. Two that have one address each will do for the mapping.
    #[arg(long, required = true, value_name = "HOST[:PORT]", value_delimiter = ',', value_parser = parse_stun)]
    pub server: Vec<StunServer>,
    /// How long all of it may take; most networks are known after three seconds.
    #[arg(long, default_value = "5s", value_parser = parse_length)]
    pub timeout: Duration,
    /// Write what was found out as one line of JSON, to FILE or to standard output.
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "-")]
    pub json: Option<PathBuf>,
}

/// `peer-cli doctor`
#[derive(Debug, ClapArgs)]
pub struct DoctorArgs {
    /// The signaling server, such as wss://call.example/ws [default: none is looked at].
    #[arg(long, env = "PEER_CLI_SERVER", value_name = "URL", value_parser = parse_server)]
    pub server: Option<ServerUrl>,
    /// A STUN or TURN server, such as stun:host:3478 or turns:host:443?transport=tcp; may be given several times. Those
    /// that the signaling server names are looked at beside it.
    #[arg(long, env = "PEER_CLI_ICE", value_name = "URL", value_delimiter = ',')]
    pub ice: Vec<String>,
    /// The user name for the TURN servers given with --ice.
    #[arg(long, env = "PEER_CLI_ICE_USER", value_name = "NAME")]
    pub ice_user: Option<String>,
    /// The password for them.
    #[arg(
        long,
        env = "PEER_CLI_ICE_PASSWORD",
        value_name = "PASSWORD",
        hide_env_values = true,
        conflicts_with = "ice_password_file"
    )]
    pub ice_password: Option<String>,
    /// A file whose first line is that password.
    #[arg(long, env = "PEER_CLI_ICE_PASSWORD_FILE", value_name = "FILE")]
    pub ice_password_file: Option<PathBuf>,
    /// The Origin header for the signaling server, scheme and host of a page.
    #[arg(long, env = "PEER_CLI_ORIGIN", value_name = "URL", value_parser = parse_origin)]
    pub origin: Option<String>,
    /// Trust these certificates (PEM) for wss:// and turns: beside the system's.
    #[arg(long, env = "PEER_CLI_TLS_CA", value_name = "FILE")]
    pub tls_ca: Option<PathBuf>,
    /// How long each check may take.
    #[arg(long, default_value = "5s", value_parser = parse_length)]
    pub timeout: Duration,
    /// Write the findings as one JSON document, to FILE or to standard output.
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "-")]
    pub json: Option<PathBuf>,
    /// Print the verdict alone.
    #[arg(long, short)]
    pub quiet: bool,
}

impl DoctorArgs {
    /// The call through the relay that goes with these options: `peer-cli call --relay-only`, short, and with nothing
    /// asked of its quality.
    ///
    /// # Errors
    /// In words, where the environment sets an option of `call` to something that cannot be used.
    pub(crate) fn call(&self) -> Result<CallArgs, String> {
        let args = Args::read(["peer-cli", "call"].map(OsString::from)).map_err(|error| error.to_string())?;
        let Command::Call(mut call) = args.command else {
            return Err("the command line of a call was read as another one".to_owned());
        };
        call.server.clone_from(&self.server);
        (call.room, call.duration, call.repeat) = (None, CALL_LENGTH, 1);
        let common = &mut call.common;
        common.ice.clone_from(&self.ice);
        common.ice_user.clone_from(&self.ice_user);
        common.ice_password.clone_from(&self.ice_password);
        common.ice_password_file.clone_from(&self.ice_password_file);
        common.origin.clone_from(&self.origin);
        common.tls_ca.clone_from(&self.tls_ca);
        common.relay_only = true;
        (common.video, common.audio) = ("pattern".to_owned(), "beep".to_owned());
        (common.size, common.live, common.judge) = ((320, 240), false, JudgeLevel::Frames);
        (common.expect, common.warn, common.expect_file) = (Vec::new(), Vec::new(), None);
        (common.json, common.html, common.junit, common.markdown) = (None, None, None, None);
        common.record = None;
        (common.wait, common.connect_timeout) = (Duration::from_secs(10), Duration::from_secs(20));
        common.timeout = Some(Duration::from_secs(30));
        Ok(call)
    }
}

fn parse_stun(text: &str) -> Result<StunServer, String> {
    text.parse().map_err(|error: crate::nat::StunServerError| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Nat {
        #[command(flatten)]
        args: NatArgs,
    }

    #[derive(Debug, Parser)]
    struct Doctor {
        #[command(flatten)]
        args: DoctorArgs,
    }

    fn nat(words: &[&str]) -> Result<NatArgs, clap::Error> {
        Ok(Nat::try_parse_from(["nat"].iter().chain(words))?.args)
    }

    fn doctor(words: &[&str]) -> Result<DoctorArgs, clap::Error> {
        Ok(Doctor::try_parse_from(["doctor"].iter().chain(words))?.args)
    }

    #[test]
    fn one_server_or_two_are_asked_and_none_is_an_error() {
        let args = nat(&["--server", "203.0.113.10", "--server", "stun.example:99", "--json"]).unwrap();
        let servers: Vec<_> = args.server.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["203.0.113.10:3478", "stun.example:99"]);
        assert_eq!((args.timeout, args.json), (Duration::from_secs(5), Some("-".into())));
        assert_eq!(nat(&["--server", "a,b"]).unwrap().server.len(), 2);
        assert!(nat(&[]).unwrap_err().to_string().contains("--server"));
        assert!(nat(&["--server", "a b"]).unwrap_err().to_string().contains("write something like"));
    }

    #[test]
    fn the_call_of_the_doctor_goes_through_the_same_servers_and_asks_nothing_of_its_quality() {
        let words = ["--server", "ws://a:1/ws", "--ice", "stun:a,turn:a", "--ice-user", "u", "--ice-password", "p"];
        let args = doctor(&words).unwrap();
        let call = args.call().unwrap();
        assert_eq!((&call.server, call.repeat, call.duration), (&args.server, 1, CALL_LENGTH));
        assert!(call.common.relay_only && call.common.expect.is_empty());
        let servers = call.common.ice_servers().unwrap();
        assert_eq!((servers.len(), servers[1].credential.as_deref()), (2, Some("p")));
    }

    #[test]
    fn a_server_without_its_scheme_is_told_what_was_expected() {
        assert!(doctor(&["--server", "a.example"]).unwrap_err().to_string().contains("ws://"));
    }
}
