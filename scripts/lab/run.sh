# shellcheck shell=bash
# The lab from beginning to end.

run_lab() {
    local status=0 lost
    internet
    at_command srv srv
    at_command inet inet
    sites_up
    if [ -n "$services" ]; then
        services_up
        if [ -n "$probe" ] && [ "$relay" != none ]; then
            probe_all
        else
            note "not probed: whether the sites are what they should be is not known"
        fi
    fi
    for site in "${site_names[@]}"; do lossy "$site-nat" "${site_impair[$site]}"; done
    LAB_SITES=$(for site in "${site_names[@]}"; do printf '%s=%s ' "$site" "${site_kind[$site]}"; done)
    export LAB_SITES=${LAB_SITES% } LAB_WIRES=$wires
    # Ctrl-C is for the command; what it says then counts.
    trap : INT
    nsenter --net=/run/netns/srv -- "${command[@]}" || status=$?
    lost=$(cables_end)
    [ -z "$logs" ] || { mkdir -p "$logs" && cp "$LAB"/log/* "$logs"; } || note "the logs cannot be copied to $logs"
    if [ -n "$lost" ]; then
        # Good news is good in spite of it.
        [ "$status" = 0 ] || broken "$lost, and the command failed with status $status"
        printf 'nat-lab: WARNING: %s; figures of this run are worth little\n' "$lost" >&2
    fi
    exit "$status"
}

# All at a time: most of it is waiting for the kernel.
sites_up() {
    local name pid number=0 status=0
    local -a pids=()
    for name in "${site_names[@]}"; do
        number=$((number + 1))
        site_up "$name" "$number" &
        pids+=("$!")
    done
    echo "$number" > "$LAB/uplinks"
    for pid in "${pids[@]}"; do wait "$pid" || status=$?; done
    [ "$status" = 0 ] || [ "$status" = 70 ] || broken "the sites cannot be built; what failed is above"
    [ "$status" = 0 ] || exit "$status"
}
