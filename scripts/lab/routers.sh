# shellcheck shell=bash
# Sites: a router of some kind on an uplink of the internet, and a host or two behind it.

# site_up NAME: with everything that was asked for, but for loss.
site_up() {
    local name=$1 number=$2
    local kind=${site_kind[$name]} impair=${site_impair[$name]} host
    namespace "$name"
    rules_count | inside "$name" nft -f -
    uplink_up "$number" "$kind" "$name-nat" "$impair"
    host_plug "$name" eth0 "$name-nat" "$number" "$kind" 2
    host_on "$name" eth0 "$number" "$kind" 2
    at_command "$name" "$name" "$kind"
    at_command "$name-nat" "$name-nat" "$kind"
    site_state "$name" "$kind" "$name-nat" "$number" eth0 "$impair"
    if kind_has_two_hosts "$kind"; then
        host=${name}2
        namespace "$host"
        rules_count | inside "$host" nft -f -
        host_plug "$host" eth0 "$name-nat" "$number" "$kind" 3
        host_on "$host" eth0 "$number" "$kind" 3
        at_command "$host" "$host" "$kind"
        site_state "$host" "$kind" "$name-nat" "$number" eth0 "$impair"
    fi
}

# site_state HOST KIND ROUTER NUMBER INTERFACE WORDS: remembered for the lab-... commands.
site_state() {
    printf 'kind=%q router=%q number=%q interface=%q impair=%q\n' "${@:2}" > "$LAB/sites/$1.new"
    mv "$LAB/sites/$1.new" "$LAB/sites/$1"
}

# uplink_up NUMBER KIND ROUTER WORDS: a router, tied to the internet. Behind it is a switch named `lan`.
uplink_up() {
    local number=$1 kind=$2 name=$3 words=$4 above=inet port=u$1 outer=203.0.113.$((100 + $1))
    router "$name"
    if kind_is_carrier "$kind"; then
        above=$name-carrier port=lan outer=100.64.$number.2
        carrier_up "$number" "$kind" "$above"
    fi
    cable "$number" "$words" "$name" wan "$above" "$port"
    bridge_up "$name" lan
    if kind_is_ipv6 "$kind"; then
        outer=2001:db8::$((100 + number))
        ip -n "$name" addr add "$outer/64" dev wan
        ip -n "$name" route add default via 2001:db8::1
    elif kind_is_carrier "$kind"; then
        ip -n "$above" addr add "100.64.$number.1/24" dev lan
        ip -n "$name" addr add "$outer/24" dev wan
        ip -n "$name" route add default via "100.64.$number.1"
    else
        ip -n "$name" addr add "$outer/24" dev wan
        ip -n "$name" route add default via 203.0.113.1
    fi
    ip -n "$name" addr add "$(lan_address "$number" "$kind" 1)" dev lan
    case $kind in
    public | firewalled) ip -n inet route add "198.51.$((100 + number)).0/24" via "$outer" ;;
    ipv6) ip -n inet route add "2001:db8:$number::/48" via "$outer" ;;
    esac
    rules "$kind" "$outer" | inside "$name" nft -f -
    # The bridge to the internet is everybody's: a port joins it when what is behind it is complete.
    ip -n inet link set "u$number" master br0
}

# carrier_up NUMBER KIND ROUTER
carrier_up() {
    router "$3"
    ip -n inet link add "u$1" up type veth peer name wan netns "$3"
    ip -n "$3" link set wan up
    ip -n "$3" addr add "203.0.113.$((100 + $1))/24" dev wan
    ip -n "$3" route add default via 203.0.113.1
    rules_carrier "$2" | inside "$3" nft -f -
}

# host_plug HOST INTERFACE ROUTER NUMBER KIND PLACE: a cable from the host to the router's switch; the host's end stays
# down.
host_plug() {
    ip -n "$3" link add "p$6" up master lan type veth peer name "$2" netns "$1"
    [[ $5 != lan-isolated* ]] || ip -n "$3" link set "p$6" type bridge_slave isolated on
}

# host_on HOST INTERFACE NUMBER KIND PLACE: the host's end comes up, with address and route.
host_on() {
    local gateway
    gateway=$(lan_address "$3" "$4" 1)
    ip -n "$1" link set "$2" up
    ip -n "$1" addr add "$(lan_address "$3" "$4" "$5")" dev "$2"
    ip -n "$1" route add default via "${gateway%/*}"
}

# lan_address NUMBER KIND PLACE
lan_address() {
    case $2 in
    public | firewalled) echo "198.51.$((100 + $1)).$3/24" ;;
    ipv6) echo "2001:db8:$1::$3/64" ;;
    nat66) echo "fd00:$1::$3/64" ;;
    *) echo "192.168.$1.$3/24" ;;
    esac
}

# at_command WORD NAMESPACE [KIND]: the command @WORD.
at_command() {
    local file=$LAB/bin/@$1 environment=
    [ -z "${3:-}" ] || ! kind_is_ipv6 "$3" || environment="[ ! -e $LAB/environment6 ] || . $LAB/environment6"
    cat > "$file.new" << AT
#!/usr/bin/env bash
[ \$# -gt 0 ] || set -- bash
$environment
[ -n "\${PEER_CLI_SERVER:-}" ] || [ -z "\${LAB_SERVER:-}" ] || export PEER_CLI_SERVER=\$LAB_SERVER
exec nsenter --net=/run/netns/$2 -- "\$@"
AT
    chmod +x "$file.new"
    mv "$file.new" "$file"
}
