# shellcheck shell=bash
# How the lab speaks and ends: on standard error, so that standard output is the command's alone.

quiet=

note() { [ -n "$quiet" ] || printf 'nat-lab: %s\n' "$*" >&2; }

# usage TEXT: what was asked for makes no sense.
usage() {
    printf 'nat-lab: %s\n         scripts/nat-lab --help says more\n' "$*" >&2
    exit 64
}

# refused WHAT ADVICE: this machine does not allow a lab. A test that ends so was skipped, not passed.
refused() {
    printf 'nat-lab: SKIPPED, no lab on this machine: %s\n         %s\n' "$1" "$2" >&2
    exit 77
}

# broken TEXT: the lab is not what it promises. Nothing that a peer did in it counts.
broken() {
    printf 'nat-lab: THE LAB IS BROKEN: %s\n' "$*" >&2
    exit 70
}
