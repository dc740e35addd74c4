//! The network that programs run in.

use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;

use crate::Program;

/// What is done in a new network before it can be used: a cable with both of its ends here, and an address.
const CABLE: &str = "ip link set lo up
ip link add a0 type veth peer name a1
ip addr add 192.0.2.1/24 dev a0
ip link set a0 up
ip link set a1 up
# A page without permission shows the one address that this route would take; without it, it has none.
ip route add default dev a0
# An address of IPv6 takes a second to be ready, and nobody asked for one.
echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6
echo ready
exec sleep infinity";

/// The same for a network without any cable.
const LONELY: &str = "ip link set lo up
echo ready
exec sleep infinity";

/// The loopback interface of this machine, a network that has a cable too (Firefox gathers nothing without one), or one
/// that has loopback and nothing else.
#[derive(Debug)]
pub struct Ground {
    /// Keeps the network of its own.
    keeper: Option<Program>,
    address: IpAddr,
}

impl Ground {
    /// Loopback of this machine.
    #[must_use]
    pub fn loopback() -> Self {
        Self { keeper: None, address: Ipv4Addr::LOCALHOST.into() }
    }

    /// A network of its own with one address that is not loopback. It is gone with this value and the programs in it.
    ///
    /// # Errors
    /// This machine refuses it; what it said.
    pub fn cable() -> Result<Self, String> {
        Self::of_its_own(CABLE, Ipv4Addr::new(192, 0, 2, 1))
    }

    /// A network of its own with loopback alone, as a container without a network has it.
    ///
    /// # Errors
    /// This machine refuses it; what it said.
    pub fn lonely() -> Result<Self, String> {
        Self::of_its_own(LONELY, Ipv4Addr::LOCALHOST)
    }

    fn of_its_own(script: &str, address: Ipv4Addr) -> Result<Self, String> {
        let tried = unshare().arg("true").output().map_err(|error| format!("unshare: {error}"))?;
        if !tried.status.success() {
            return Err(String::from_utf8_lossy(&tried.stderr).trim().to_owned());
        }
        let keeper = Program::spawn("unshare", unshare().args(["sh", "-euc", script]));
        keeper.ready("ready");
        Ok(Self { keeper: Some(keeper), address: address.into() })
    }

    /// The address that programs listen at and send from.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// A command that will run in this network.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let Some(keeper) = &self.keeper else { return Command::new(program) };
        let mut command = Command::new("nsenter");
        command.args(["--target", &keeper.id().to_string(), "--net"]);
        if !nix::unistd::geteuid().is_root() {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.arg("--").arg(program);
        command
    }
}

fn unshare() -> Command {
    let mut command = Command::new("unshare");
    command.arg("--net");
    if !nix::unistd::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    command.arg("--");
    command
}
