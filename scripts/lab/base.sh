# shellcheck shell=bash
# The internet: a bridge with everybody's uplink on it, a router for those with public networks, and the public host.

inside() { nsenter --net="/run/netns/$1" -- "${@:2}"; }

# namespace NAME: a fresh network namespace, set up as every host and router here is.
namespace() {
    ip netns add "$1"
    inside "$1" sh -eu << 'IN'
        ip link set lo up
        set_all() { for where in all default; do echo "$3" > "/proc/sys/net/$1/conf/$where/$2"; done; }
        # An address in another network is no spoof here, and nobody is told a shorter way: all of that would
        # depend on time.
        set_all ipv4 rp_filter 0
        set_all ipv4 send_redirects 0
        set_all ipv4 accept_redirects 0
        echo 0 > /proc/sys/net/ipv4/icmp_ratelimit
        set_all ipv6 disable_ipv6 0
        set_all ipv6 accept_dad 0
        set_all ipv6 accept_ra 0
        set_all ipv6 router_solicitations 0
        echo 0 > /proc/sys/net/ipv6/icmp/ratelimit
IN
}

# router NAME: a namespace that forwards.
router() {
    namespace "$1"
    inside "$1" sh -eu << 'IN'
        echo 1 > /proc/sys/net/ipv4/ip_forward
        echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
        # Where frames on a bridge go through the IP rules as well, a host behind client isolation cannot be reached
        # through the router either.
        for family in ip ip6 arp; do
            file=/proc/sys/net/bridge/bridge-nf-call-${family}tables
            [ ! -e "$file" ] || echo 0 > "$file"
        done
IN
}

# bridge_up NAMESPACE NAME: a switch. Its own address is fixed, or it would change with every port.
bridge_up() {
    ip -n "$1" link add "$2" address "$(printf '02:00:00:%02x:%02x:01' $((RANDOM % 256)) $((RANDOM % 256)))" \
        type bridge stp_state 0 forward_delay 0 mcast_snooping 0
    ip -n "$1" link set "$2" up
}

internet() {
    router inet
    bridge_up inet br0
    namespace srv
    ip -n inet link add srv type veth peer name eth0 netns srv
    inside inet sh -eu << 'IN'
        ip link set srv master br0 up
        ip addr add 203.0.113.1/24 dev br0
        # What has no business on the internet gets nowhere, so that private candidates never work by accident.
        for network in 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10; do ip route add blackhole $network; done
        ip addr add 2001:db8::1/64 dev br0
        ip route add blackhole fd00::/8
IN
    inside srv sh -eu << 'IN'
        ip link set eth0 up
        for host in 10 11 12; do ip addr add 203.0.113.$host/24 dev eth0; done
        ip route add default via 203.0.113.1
        for host in 10 11 12 13; do ip addr add 2001:db8::$host/64 dev eth0; done
        ip route add default via 2001:db8::1
IN
    rules_srv | inside srv nft -f -
}
