# shellcheck shell=bash
# What a machine must have, and what to do where it has not.

needs_tools() {
    local tool
    [ "$(uname -s)" = Linux ] || refused "this is $(uname -s)" "the lab is made of Linux network namespaces"
    # Those of the administrator are not on everybody's PATH.
    PATH+=:/usr/sbin:/sbin
    for tool in unshare:util-linux nsenter:util-linux setpriv:util-linux ip:iproute2 tc:iproute2 nft:nftables; do
        command -v "${tool%:*}" > /dev/null ||
            refused "the command ${tool%:*} is missing" "apt-get install ${tool#*:} (or what has it elsewhere)"
    done
}

# needs_namespaces FLAG...: whether unshare gives us what the lab is built in.
needs_namespaces() {
    local said
    said=$(unshare "$@" true 2>&1) || refused "namespaces are refused (unshare $*): ${said:-no reason given}" "$(cure)"
}

# The usual suspects, in the order in which they are worth a look.
cure() {
    local root=/proc/sys
    if [ -n "$rootless" ] && is_set $root/kernel/apparmor_restrict_unprivileged_userns 1; then
        echo "AppArmor forbids it to users: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or run it as root"
    elif [ -n "$rootless" ] && is_set $root/kernel/unprivileged_userns_clone 0; then
        echo "the kernel forbids it to users: sysctl -w kernel.unprivileged_userns_clone=1, or run it as root"
    elif [ -n "$rootless" ] && is_set $root/user/max_user_namespaces 0; then
        echo "there may be no user namespaces: sysctl -w user.max_user_namespaces=10000, or run it as root"
    elif [ -e /.dockerenv ] || [ -e /run/.containerenv ]; then
        echo "this is a container: start it with --privileged (docker run --privileged ...)"
    elif [ -z "$rootless" ]; then
        echo "this root lacks CAP_SYS_ADMIN: try --rootless, or run it where root may do everything"
    else
        echo "run it as root, or on a kernel with CONFIG_USER_NS and CONFIG_NET_NS"
    fi
}

is_set() { [ -r "$1" ] && [ "$(cat "$1")" = "$2" ]; }

# What the kernel must know, tried in the fresh namespaces before anything is built.
needs_kernel() {
    local said
    said=$(ip link add try0 type veth peer name try1 2>&1) ||
        refused "veth is refused: $said" "the kernel needs CONFIG_VETH (modprobe veth as root)"
    said=$(ip link add try2 type bridge 2>&1) ||
        refused "a bridge is refused: $said" "the kernel needs CONFIG_BRIDGE (modprobe bridge as root)"
    said=$(rules_try | nft -f - 2>&1) || needs_nft "$(head -n 3 <<< "$said")"
    said=$( (echo 1 > /proc/sys/net/ipv4/ip_forward) 2>&1) ||
        refused "forwarding cannot be switched on: $said" "/proc/sys is read-only: a container needs --privileged"
    [[ " ${site_impair[*]}" != *" rate="* ]] ||
        said=$(tc qdisc add dev try0 root tbf rate 1mbit burst 16kb latency 1ms 2>&1) ||
        refused "tc's token bucket is refused: $said" "the kernel needs CONFIG_NET_SCH_TBF (modprobe sch_tbf as root)"
    [ -e /proc/sys/net/ipv6 ] || refused "there is no IPv6" "boot without ipv6.disable=1"
    nft flush ruleset
    ip link del try0
    ip link del try2
}

# needs_nft SAID: what the kernel refuses is its own affair; what nft cannot read would be ours.
needs_nft() {
    [[ $1 =~ (Could not process|ot permitted|ot supported|denied|Unable to initialize|netlink) ]] ||
        broken "$(nft --version) does not understand the rules: $1"
    refused "nft's NAT is refused: $1" \
        "the kernel needs CONFIG_NF_TABLES, CONFIG_NFT_NAT, CONFIG_NFT_MASQ, CONFIG_NFT_CT and CONFIG_NFT_NUMGEN
         (modprobe nf_tables nft_chain_nat nft_masq nft_ct nft_numgen nft_hash nft_redir nft_reject_inet as root)"
}

# Decides how delay is made, where a site wants some: sets `wires` to netem or lab-wire.
wires=
needs_wires() {
    local site wanted=
    for site in "${site_names[@]}"; do
        ! impair_needs_wire "${site_impair[$site]}" || wanted=1
    done
    [ -n "$wanted" ] || return 0
    if [ -n "$netem" ] && tc qdisc add dev lo root netem delay 1ms 2> /dev/null; then
        tc qdisc del dev lo root
        wires=netem
        return
    fi
    wires=lab-wire
    command -v ethtool > /dev/null ||
        refused "the command ethtool is missing, and delay needs it" "apt-get install ethtool"
    needs_program lab-wire dialtone-tests
}

# needs_program NAME PACKAGE: finds one of the project's programs and puts it on the path.
needs_program() {
    local found
    found=$(program "$1") ||
        broken "the program $1 is not built: cargo build -p $2 --bin $1 (or set NAT_LAB_BIN to its folder)"
    ln -sf "$found" "$LAB/bin/$1"
}

program() {
    local target=${CARGO_TARGET_DIR:-$lab_home/../../target} newest='' file
    if [ -n "${NAT_LAB_BIN:-}" ] && [ -x "$NAT_LAB_BIN/$1" ]; then
        realpath "$NAT_LAB_BIN/$1"
        return
    fi
    for file in "$target/release/$1" "$target/debug/$1"; do
        [ ! -x "$file" ] || { [ -n "$newest" ] && [ "$newest" -nt "$file" ]; } || newest=$file
    done
    if [ -n "$newest" ]; then
        realpath "$newest"
    else
        type -P "$1"
    fi
}
