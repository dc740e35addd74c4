# shellcheck shell=bash
# Looks at each site with a STUN client and holds what it sees against the table, before anybody else is blamed.

# probe_all: prints a line for each host; ends the lab where one is not as expected.
probe_all() {
    local host pid failed=
    local -a hosts=() pids=()
    peer-cli nat --help > /dev/null 2>&1 ||
        broken "$(readlink "$LAB/bin/peer-cli") has no command \`nat\` to probe with: build it anew, or give --no-probe"
    for host in "${site_names[@]}"; do
        hosts+=("$host")
        ! kind_has_two_hosts "${site_kind[$host]}" || hosts+=("${host}2")
    done
    for host in "${hosts[@]}"; do
        probe_host "$host" > "$LAB/log/probe-$host.txt" &
        pids+=("$!")
    done
    for pid in "${pids[@]}"; do wait "$pid"; done
    for host in "${hosts[@]}"; do
        [ -n "$quiet" ] || sed 's/^/nat-lab: /' "$LAB/log/probe-$host.txt" >&2
        grep -q 'as expected$' "$LAB/log/probe-$host.txt" || failed+="
         $(cat "$LAB/log/probe-$host.txt")"
    done
    [ -z "$failed" ] || broken "what a STUN client sees is not what it has to see:$failed"
}

# probe_host HOST: one line, that ends with `as expected` or says what was. Asked again once: the machine may be busy.
probe_host() {
    local kind router number expected seen try
    # shellcheck source=/dev/null
    . "$LAB/sites/$1"
    expected=${kind_row[$kind]}
    for try in 1 2; do
        seen=$(probe_row "$1")
        if row_fits "$expected" "$seen"; then
            seen="$(row_text "$seen"), as expected"
            break
        fi
        [ "$try" = 1 ] || seen="$(row_text "$seen"); EXPECTED $(row_text "$expected")"
    done
    if ! probe_unasked "$router" "$number" "$kind"; then
        seen="$(row_text "$expected"); BUT its router does not drop what comes unasked, so that it depends on time"
    fi
    printf '%-11s %-26s %s\n' "$1" "$kind" "$seen"
}

# probe_row HOST: mapping, filtering, port and hairpin as in the table; `blocked` alone; or what went wrong.
probe_row() {
    local json status=0
    json=$("@$1" sh -c 'exec timeout 30 peer-cli nat --server "$LAB_NAT" --json' \
        2> "$LAB/log/probe-$1.log") || status=$?
    printf '%s\n' "$json" > "$LAB/log/probe-$1.json"
    json=$(tr -d '\n' <<< "$json")
    if [ "$status" != 0 ]; then
        echo "? (peer-cli nat ended with $status: $(tail -n 1 "$LAB/log/probe-$1.log"))"
    elif [ "$(json_word "$json" udp)" = blocked ]; then
        echo blocked
    else
        echo "$(row_word "$(json_word "$json" mapping)") $(row_word "$(json_word "$json" filtering)")" \
            "$(row_flag "$(json_word "$json" port_preserved)" kept changed)" \
            "$(row_flag "$(json_word "$json" hairpin)" yes no)"
    fi
}

# json_word TEXT KEY: the value of a member that is a word: a string, true, false or null.
json_word() { sed -nE 's/.*"'"$2"'" *: *"?([a-z0-9-]+)"?.*/\1/p' <<< "$1"; }

row_word() {
    case $1 in
    endpoint-independent) echo EI ;;
    address-dependent) echo AD ;;
    address-and-port-dependent) echo APD ;;
    none) echo none ;;
    *) echo '?' ;;
    esac
}

# row_flag true|false|null WORD OTHERWISE
row_flag() {
    case $1 in
    true) echo "$2" ;;
    false) echo "$3" ;;
    *) echo '?' ;;
    esac
}

# row_fits EXPECTED SEEN
row_fits() {
    local -a expected seen
    local column
    read -ra expected <<< "$1"
    read -ra seen <<< "$2"
    [ "${#expected[@]}" = "${#seen[@]}" ] || return 1
    for column in "${!expected[@]}"; do
        [ "${expected[column]}" = - ] || [ "${expected[column]}" = "${seen[column]}" ] || return 1
    done
}

row_text() {
    local -a row
    read -ra row <<< "$1"
    case ${row[0]} in
    blocked) echo 'UDP blocked' ;;
    '?') echo "$1" ;;
    *) echo "mapping ${row[0]}, filtering ${row[1]}, port ${row[2]}, hairpin ${row[3]}" ;;
    esac
}

# probe_unasked ROUTER NUMBER KIND: sends a datagram that nobody asked for to the outer address. Where the router kept
# any trace of it, the host's packets to that remote could leave from another port than the others (see rules_input).
probe_unasked() {
    local router=$1 outer=203.0.113.$((100 + $2)) tries
    ! kind_is_public "$3" || return 0
    ! kind_is_ipv6 "$3" || outer=2001:db8::$((100 + $2))
    ! kind_is_carrier "$3" || router=$1-carrier
    for ((tries = 0; tries < 5; tries++)); do
        inside srv bash -c "echo unasked > /dev/udp/$outer/9"
        ! inside "$router" nft list counter inet flt unasked | grep -q 'packets [1-9]' || return 0
        sleep 0.2
    done
    return 1
}
