# shellcheck shell=bash

help() {
    cat <<'HELP'
A small internet with NATs in it: builds it, proves it, runs a command in it, and leaves nothing behind

Usage: scripts/nat-lab [OPTIONS] NAME=KIND[+IMPAIRMENT...],... -- COMMAND [ARGUMENT...]
       scripts/nat-lab --list

One site for each name, at most ten letters and digits. Each has a host NAME behind a router NAME-nat; kinds that
start with `lan` have a second host, NAME2. All are tied to `inet`, the internet, with the public host `srv` in it,
where a signaling server and a relay run. COMMAND runs on `srv`; `@NAME COMMAND` runs one on a site's host.

  scripts/nat-lab a=symmetric,b=home -- sh -c '@a peer-cli join r --duration 5s --ice $LAB_STUN &
      @b peer-cli join r --duration 5s --ice $LAB_STUN && wait $!'
          two peers who cannot reach each other without a relay
  scripts/nat-lab a=tcp443,b=udp-blocked -- sh -c '
      export PEER_CLI_ICE_USER=$LAB_TURN_USER PEER_CLI_ICE_PASSWORD=$LAB_TURN_PASSWORD PEER_CLI_TLS_CA=$LAB_CA
      @a peer-cli join r --duration 5s --ice $LAB_TURNS &
      @b peer-cli join r --duration 5s --ice $LAB_TURN_TCP && wait $!'
          the same through the relay, one over TLS and one over TCP
  scripts/nat-lab a=home+delay=50ms+rate=2mbit,b=cgnat+loss=2% -- sh -c '@a peer-cli join r & lab-cut a 3 ...'
          a bad line, cut for three seconds
  scripts/nat-lab a=home -- bash
          a shell to look around: @a ip addr, @a-nat nft list ruleset, @inet tcpdump -ni br0

Impairments, each way on the site's uplink:
  +loss=2%           packets that get lost
  +rate=2mbit        the most it carries; what does not fit into 100 ms of queue gets lost
  +delay=50ms        how long a packet takes
  +jitter=10ms       up to so much more or less
  +reorder=1%        packets that skip the delay (10 ms where none is given) and overtake those that wait
  +duplicate=1%      packets that come twice
Delay and what follows it are done by the kernel's netem where there is one (jitter reorders there), otherwise by
our own program lab-wire (which keeps the order), and then need ethtool.

Commands for COMMAND, beside @NAME, @NAME-nat, @srv and @inet:
  lab-cut NAME SECONDS [--wait]   nothing gets through on the site's uplink for so long; returns at once, or at its end
  lab-move NAME [KIND]            from Wi-Fi to mobile: the host's interface goes down and another one comes up, behind
                                  another router of the same or another kind, with new addresses inside and outside
  lab-counters NAME               what that host has sent and received so far, counted by the kernel: JSON with packets
                                  and bytes by remote address, and sums for `relay`, `direct` and `signaling`

Variables for COMMAND:
  LAB_SERVER           signaling, ws:// on port 443, which every site reaches; `@NAME peer-cli` uses it by default
  LAB_WSS              another signaling server, over TLS (wss://), with rooms of its own; it names STUN, and our relay
                       with logins for it, to its clients
  LAB_PAGE             its call page (https://), for a browser on a site
  LAB_STUN             STUN, as a URL; LAB_NAT: the same as HOST:PORT, answers RFC 5780
  LAB_TURN             TURN over UDP, as a URL; LAB_TURN_TCP, LAB_TURNS: over TCP, and over TLS on port 443
  LAB_TURN_USER        and LAB_TURN_PASSWORD: a login for it; LAB_TURN_SECRET: for time-limited logins
  LAB_CA               the certificate (PEM) to trust for LAB_WSS and LAB_TURNS; not there without openssl
  LAB_ADMIN            the relay's metrics, as a URL; LAB_RELAY_PID, LAB_SERVER_PID: to end one of them
  LAB_SITES            NAME=KIND of each site, separated by blanks; LAB: the folder with logs (LAB/log)
On a site with IPv6 alone, @NAME sets those with an address in them for IPv6. There is no DNS.

Options:
  --list               the kinds of sites, and what a STUN client has to see at each
  --relay PROGRAM      dialtone (ours), coturn, or none                                          [default: dialtone]
  --no-services        neither signaling nor relay, and so no probe
  --no-probe           do not look whether each site is what it should be
  --no-netem           delay with lab-wire even where the kernel could
  --rootless           do without root's rights even as root                            [env: NAT_LAB_ROOTLESS=1]
  --logs FOLDER        copy the logs of servers and cables there at the end
  -q, --quiet          say only what is wrong
Programs are looked for in $NAT_LAB_BIN, then target/release and target/debug (the newer one), then PATH.

Before COMMAND each site is probed (peer-cli nat), and what comes out is held against --list.
Needs Linux with iproute2, nftables and util-linux; root, or a kernel that lets users make namespaces.

Exit codes: that of COMMAND, or
  64  wrong usage
  70  the lab is broken: a site is not what it should be, or a program is missing
  77  this machine allows no lab; it says what is missing
HELP
}
