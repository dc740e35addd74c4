# shellcheck shell=bash
# Into namespaces of our own, and out of them again without a trace.

# The lab is one pid namespace: when its first process dies, the kernel ends all others, and with the last one go
# namespaces, interfaces, rules and mounts. That process dies with unshare (--kill-child), and unshare with this shell
# (--pdeathsig), however this shell ends. The shell stays because unshare does not listen to SIGTERM while it waits.
run_outside() {
    local flags=(--net --mount --ipc --uts --pid --fork --kill-child=SIGKILL --mount-proc --propagation private)
    local child status
    [ -z "$rootless" ] || flags=(--user --map-root-user "${flags[@]}")
    needs_tools
    needs_namespaces "${flags[@]}"
    # What a script starts in the background does not hear Ctrl-C, nor read, unless told otherwise.
    (
        trap - INT QUIT
        NAT_LAB_INSIDE=1 exec setpriv --pdeathsig SIGKILL unshare "${flags[@]}" "$BASH" "$lab_home/../nat-lab" "$@"
    ) <&0 &
    child=$!
    trap 'kill -KILL "$child"; exit 143' TERM
    trap 'kill -KILL "$child"; exit 129' HUP
    # Ctrl-C goes to the command as well, which decides.
    trap : INT
    while true; do
        status=0
        wait "$child" || status=$?
        kill -0 "$child" 2> /dev/null || exit "$status"
    done
}

# In the fresh namespaces, as their first process.
run_inside() {
    unset NAT_LAB_INSIDE
    trap 'exit 130' INT
    mount -t tmpfs -o mode=755 tmpfs /run ||
        refused "a tmpfs cannot be mounted" "a container needs --privileged for it"
    export LAB=/run/lab
    mkdir -p /run/netns /run/lock "$LAB"/{bin,log,sites}
    PATH=$LAB/bin:$lab_home/bin:$PATH
    needs_kernel
    needs_wires
    run_lab
}
