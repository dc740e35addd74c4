# shellcheck shell=bash
# The rules that make each kind, as text for nft. In every router the interfaces are `wan` and `lan`.
# This nft wants a line's end before each closing brace.

# rules KIND ADDRESS: those of a router of this kind with this address outside.
rules() {
    rules_input
    case $1 in
    public) ;;
    firewalled | ipv6) rules_forward 'iifname "lan" accept' ;;
    full-cone) rules_cone EI ;;
    full-cone-hairpin) rules_cone EI "$2" ;;
    address-restricted) rules_cone AD ;;
    port-restricted-hairpin | lan-isolated-hairpin) rules_cone APD "$2" ;;
    port-restricted | lan | lan-isolated | cgnat | cgnat-symmetric) rules_nat ip 'oifname "wan" masquerade' ;;
    symmetric) rules_nat ip 'oifname "wan" masquerade fully-random' ;;
    nat66) rules_nat ip6 'oifname "wan" masquerade fully-random' ;;
    no-port-preservation)
        rules_nat ip "oifname \"wan\" meta l4proto udp snat to $2:jhash ip saddr . udp sport mod 20000 offset 30000" \
            'oifname "wan" masquerade'
        ;;
    address-dependent-mapping) rules_by_address "$2" ;;
    udp-blocked) rules_nat ip 'oifname "wan" masquerade' && rules_udp drop ;;
    udp-rejected) rules_nat ip 'oifname "wan" masquerade' && rules_udp reject ;;
    tcp443) rules_nat ip 'oifname "wan" masquerade' && rules_forward 'iifname "lan" tcp dport 443 accept' ;;
    *) broken "there are no rules for the kind $1" ;;
    esac
}

# rules_carrier KIND: those of the carrier's router.
rules_carrier() {
    rules_input
    case $1 in
    cgnat) rules_cone EI ;;
    *) rules_nat ip 'oifname "wan" masquerade fully-random' ;;
    esac
}

# What comes unasked to the router itself is dropped and leaves no trace. Were it accepted, conntrack would remember it,
# and the host's own packet to that remote would have to leave from another port: a NAT whose kind depends on who sent
# first. The probe looks whether this holds (`unasked`).
rules_input() {
    cat << 'NFT'
table inet flt {
    counter unasked { }
    chain in { type filter hook input priority 0; policy accept;
        meta l4proto { icmp, ipv6-icmp } accept
        iifname "wan" ct state new counter name unasked drop
    }
}
NFT
}

# rules_nat FAMILY RULE...
rules_nat() {
    printf 'table %s nat {\n chain pre { type nat hook prerouting priority dstnat;\n }\n' "$1"
    printf ' chain post { type nat hook postrouting priority srcnat;\n'
    printf '  %s\n' "${@:2}"
    printf ' }\n}\n'
}

# rules_forward RULE: nothing is forwarded but that, answers, and what IPv6 cannot do without.
rules_forward() {
    cat << NFT
table inet fw {
    chain fw { type filter hook forward priority 0; policy drop;
        ct state established,related accept
        meta l4proto ipv6-icmp accept
        $1
    }
}
NFT
}

rules_udp() {
    printf 'table inet fw {\n chain fw { type filter hook forward priority 0;\n  meta l4proto udp %s\n }\n}\n' "$1"
}

# rules_cone FILTERING [ADDRESS]: remembers which host stands behind each outer port, and lets in whom FILTERING says
# (EI everybody, AD known addresses, APD answers only). With its ADDRESS, the router also sends its hosts' packets to
# that address back inside, with the outer source, to everybody.
rules_cone() {
    local filtering=$1 address=${2:-} let_in='' remember='' turn=''
    local known='dnat ip to udp dport map @owner'
    case $filtering in
    EI) let_in="iifname \"wan\" meta l4proto udp $known" ;;
    AD)
        let_in="iifname \"wan\" meta l4proto udp udp dport . ip saddr @asked $known"
        remember='oifname "wan" meta l4proto udp update @asked { ct reply proto-dst . ip daddr }'
        ;;
    esac
    if [ -n "$address" ]; then
        let_in+=$'\n'"iifname \"lan\" ip daddr $address meta l4proto udp $known"
        turn="iifname \"lan\" oifname \"lan\" ct status dnat snat to $address"
    fi
    cat << NFT
table ip nat {
    map owner { type inet_service : ipv4_addr . inet_service; flags dynamic,timeout; timeout 300s; size 65535; }
    set asked { type inet_service . ipv4_addr; flags dynamic,timeout; timeout 300s; size 65535; }
    chain pre { type nat hook prerouting priority dstnat;
        $let_in
    }
    chain post { type nat hook postrouting priority srcnat;
        $turn
        oifname "wan" masquerade
    }
    chain learn { type filter hook postrouting priority srcnat + 10;
        oifname "wan" meta l4proto udp update @owner { \
            ct reply proto-dst : ct original ip saddr . ct original proto-src }
        $remember
    }
}
NFT
}

# rules_by_address ADDRESS: the outer port follows from the inner address and port and the remote address.
rules_by_address() {
    printf 'table ip nat {\n map port { type mark : ipv4_addr . inet_service; elements = {'
    awk -v address="$1" 'BEGIN {
        for (i = 0; i < 4096; i++) printf "%s%d : %s . %d", i ? ", " : " ", i, address, 30000 + i
    }'
    cat << 'NFT'
 }
    }
    chain post { type nat hook postrouting priority srcnat;
        oifname "wan" meta l4proto udp meta mark set jhash ip saddr . udp sport . ip daddr mod 4096
        oifname "wan" meta l4proto udp snat ip to meta mark map @port
        oifname "wan" masquerade
    }
}
NFT
}

# rules_loss PERCENT: loses so much each way.
rules_loss() {
    local share
    share=$(awk "BEGIN { printf \"%d\", ${1%\%} * 100 + 0.5 }")
    cat << NFT
table inet loss {
    chain loss { type filter hook forward priority -10;
        iifname "wan" numgen random mod 10000 < $share drop
        oifname "wan" numgen random mod 10000 < $share drop
    }
}
NFT
}

# Nothing on the uplink, but for who is where on it: finding that out again would lengthen the cut.
rules_cut() {
    cat << NFT
table inet $1 {
    chain in { type filter hook prerouting priority -350;
        icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
        iifname "wan" drop
    }
    chain out { type filter hook postrouting priority -350;
        icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
        oifname "wan" drop
    }
}
NFT
}

# The public host answers for one signaling server on ports 80 and 443, and for the other one on 443 of an address of
# its own. UDP is kept out of conntrack: a relay has many flows.
rules_srv() {
    cat << 'NFT'
table inet srv {
    chain raw { type filter hook prerouting priority raw;
        meta l4proto udp notrack
    }
    chain raw_out { type filter hook output priority raw;
        meta l4proto udp notrack
    }
    chain pre { type nat hook prerouting priority dstnat;
        ip daddr 203.0.113.10 tcp dport { 80, 443 } redirect to :8080
        ip6 daddr 2001:db8::10 tcp dport { 80, 443 } redirect to :8080
        ip daddr 203.0.113.12 tcp dport 443 redirect to :8443
        ip6 daddr 2001:db8::12 tcp dport 443 redirect to :8443
    }
    chain out { type nat hook output priority -100;
        ip daddr 203.0.113.10 tcp dport { 80, 443 } redirect to :8080
        ip6 daddr 2001:db8::10 tcp dport { 80, 443 } redirect to :8080
        ip daddr 203.0.113.12 tcp dport 443 redirect to :8443
        ip6 daddr 2001:db8::12 tcp dport 443 redirect to :8443
    }
}
NFT
}

# Counts what a host sends and receives, by remote address and port; and what it sends in large packets, which media is
# and the search for a path is not.
rules_count() {
    local way set
    echo 'table inet count {'
    for way in sent received; do
        for set in "4 { type ipv4_addr" "6 { type ipv6_addr"; do
            echo " set $way$set . inet_proto . inet_service; size 65535; flags dynamic; }"
        done
    done
    echo ' set large4 { type ipv4_addr . inet_proto . inet_service; size 65535; flags dynamic; }'
    echo ' set large6 { type ipv6_addr . inet_proto . inet_service; size 65535; flags dynamic; }'
    cat << 'NFT'
    chain out { type filter hook output priority 300;
        oifname "lo" accept
        meta l4proto { tcp, udp } update @sent4 { ip daddr . meta l4proto . th dport counter }
        meta l4proto { tcp, udp } update @sent6 { ip6 daddr . meta l4proto . th dport counter }
        meta length > 400 meta l4proto { tcp, udp } update @large4 { ip daddr . meta l4proto . th dport counter }
        meta length > 400 meta l4proto { tcp, udp } update @large6 { ip6 daddr . meta l4proto . th dport counter }
    }
    chain in { type filter hook input priority -300;
        iifname "lo" accept
        meta l4proto { tcp, udp } update @received4 { ip saddr . meta l4proto . th sport counter }
        meta l4proto { tcp, udp } update @received6 { ip6 saddr . meta l4proto . th sport counter }
    }
}
NFT
}

# Everything that the kinds need from the kernel, in one go.
rules_try() {
    rules_cone AD 203.0.113.1
    echo 'table ip6 nat {
        chain post { type nat hook postrouting priority srcnat;
            oifname "wan" masquerade fully-random
        }
    }'
    rules_nat ip 'meta l4proto udp snat to 203.0.113.1:jhash ip saddr . udp sport mod 20000 offset 30000'
    rules_udp reject
    rules_forward 'iifname "lan" tcp dport 443 accept'
    rules_loss 1%
    rules_srv
    rules_count
}
