# shellcheck shell=bash
# What a site's uplink runs over: a plain cable, a narrow one, or one that delays and loses.

# cable NUMBER WORDS FROM INTERFACE TO INTERFACE: ties a router to what is above it. WORDS are its impairments, but for
# loss, which comes later (`lossy`).
cable() {
    local number=$1 words=$2 from=$3 inner=$4 to=$5 outer=$6 end
    if impair_needs_wire "$words"; then
        namespace "w$number"
        ip -n "$from" link add "$inner" type veth peer name near netns "w$number"
        ip -n "$to" link add "$outer" type veth peer name far netns "w$number"
        for end in near far; do ip -n "w$number" link set "$end" up; done
        "cable_$wires" "$number" "$words" "$from" "$inner" "$to" "$outer"
    else
        ip -n "$to" link add "$outer" type veth peer name "$inner" netns "$from"
    fi
    ip -n "$from" link set "$inner" up
    ip -n "$to" link set "$outer" up
    cable_rate "$(impair_value "$words" rate)" "$from" "$inner" "$to" "$outer"
}

# The usual token bucket, each way; it may burst for 10 ms.
cable_rate() {
    local rate=$1 bits burst
    [ -n "$rate" ] || return 0
    bits=${rate%?bit}
    case $rate in *kbit) bits=$((bits * 1000)) ;; *) bits=$((bits * 1000000)) ;; esac
    burst=$((bits / 800 > 16384 ? bits / 800 : 16384))
    tc -n "$2" qdisc add dev "$3" root tbf rate "$rate" burst "$burst" latency 100ms
    tc -n "$4" qdisc add dev "$5" root tbf rate "$rate" burst "$burst" latency 100ms
}

# Frames leave a stack unfinished where the interface promises to complete them; a cable carries finished ones. What
# leaves through these two interfaces goes over it, whoever sent it.
cable_lab-wire() {
    local number=$1 words=$2 name
    local -a faults=()
    inside "$3" ethtool -K "$4" tx off tso off gso off > "$LAB/log/ethtool-$number.log" 2>&1
    inside "$5" ethtool -K "$6" tx off tso off gso off >> "$LAB/log/ethtool-$number.log" 2>&1
    for name in delay jitter reorder duplicate; do
        [ -z "$(impair_value "$words" "$name")" ] || faults+=("--$name" "$(impair_value "$words" "$name")")
    done
    [[ " $words" != *" reorder="* || " $words" == *" delay="* ]] || faults+=(--delay 10ms)
    nsenter --net="/run/netns/w$number" lab-wire near far "${faults[@]}" --seed "$number" \
        --stats "$LAB/log/wire-$number.json" > "$LAB/log/wire-$number.log" 2>&1 < /dev/null &
    echo "$! $3" > "$LAB/wire-$number.pid"
    wait_for 'lab-wire ready' "$LAB/log/wire-$number.log" $! || broken "lab-wire does not start"
}

# The same by the kernel.
cable_netem() {
    local number=$1 words=$2 end delay jitter reorder duplicate
    local -a faults
    delay=$(impair_value "$words" delay) jitter=$(impair_value "$words" jitter)
    reorder=$(impair_value "$words" reorder) duplicate=$(impair_value "$words" duplicate)
    [ -n "$delay" ] || [ -z "$reorder" ] || delay=10ms
    faults=(delay "${delay:-0ms}" ${jitter:+"$jitter"})
    faults+=(${reorder:+reorder "$reorder"} ${duplicate:+duplicate "$duplicate"})
    bridge_up "w$number" br0
    for end in near far; do
        ip -n "w$number" link set "$end" master br0
        tc -n "w$number" qdisc add dev "$end" root netem limit 20000 "${faults[@]}"
    done
}

# cables_end: ends our own cables, and says what they lost without being told to, a line for each.
cables_end() {
    local file pid router number lost
    for file in "$LAB"/wire-*.pid; do
        [ -e "$file" ] || return 0
        read -r pid router < "$file"
        kill -TERM "$pid" 2> /dev/null || true
    done
    for file in "$LAB"/wire-*.pid; do
        read -r pid router < "$file"
        number=${file##*wire-} number=${number%.pid}
        ended "$pid"
        lost=$(grep -so '"own":[0-9]*' "$LAB/log/wire-$number.json" |
            awk -F: '{ sum += $2 } END { print NR ? sum : "?" }')
        [ "$lost" = 0 ] || echo "the cable of $router lost $lost frames by itself"
    done
}

# ended PID: waits for a process, which need not be a child; at most 5 s.
ended() {
    local tries
    for ((tries = 0; tries < 250; tries++)); do
        kill -0 "$1" 2> /dev/null || return 0
        sleep 0.02
    done
}

# lossy ROUTER WORDS
lossy() {
    local share
    share=$(impair_value "$2" loss)
    [ -z "$share" ] || rules_loss "$share" | inside "$1" nft -f -
}

# wait_for TEXT FILE PID: until a program has said so. At most 20 s, and no longer than it lives.
wait_for() {
    local tries
    for ((tries = 0; tries < 1000; tries++)); do
        ! grep -qs -- "$1" "$2" || return 0
        kill -0 "$3" 2> /dev/null || break
        sleep 0.02
    done
    grep -qs -- "$1" "$2" && return
    tail -n 5 "$2" >&2
    return 1
}
