# Shared by the scripts here: where things are, how groups are run and counted. Source it; it changes to the repository.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

passed=() failed=() skipped=() unsteady=()
tools="$PWD/target/tools"
export PATH="$tools/bin:$PATH"

say() { printf '\n== %s\n' "$*"; }

# group NAME COMMAND...: runs it, times it, remembers how it went. Status 77 with a reason in $tools/skip means skipped.
group() {
    local name=$1 start=$SECONDS status
    shift
    say "$name"
    rm -f "$tools/skip"
    "$@"
    status=$?
    if [ "$status" = 0 ]; then
        passed+=("$name ($((SECONDS - start)) s)")
    elif [ "$status" = 77 ] && [ -f "$tools/skip" ]; then
        skipped+=("$name: $(cat "$tools/skip")")
    else
        failed+=("$name (status $status)")
    fi
}

# steadily cargo test...: up to five tests that failed are run again, each alone. Real time, real browsers and a busy machine can
# fail a test that has no fault; a fault fails it twice. Which ones needed that, the summary says.
steadily() {
    local log status names name
    log=$(mktemp)
    "$@" 2>&1 | tee "$log"
    status=$?
    # The names stand under the last "failures:".
    names=$(awk '/^failures:$/ { names = ""; next } /^    [^ ]+$/ { names = names $1 "\n" } END { printf "%s", names }' "$log")
    rm -f "$log"
    [ "$status" != 0 ] && [ -n "$names" ] && [ "$(wc -l <<< "$names")" -le 5 ] || return "$status"
    for name in $names; do
        say "again, alone: $name"
        cargo test --locked --workspace --test e2e -- --exact "$name" || return
        unsteady+=("$name")
    done
}

# skip REASON: ends a group as skipped.
skip() {
    mkdir -p "$tools"
    printf '%s' "$*" > "$tools/skip"
    return 77
}

# need COMMAND PACKAGE...: installs Debian packages where the command is missing and we may.
need() {
    local command=$1
    shift
    command -v "$command" > /dev/null && return 0
    if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
        [ -n "${apt_updated:-}" ] || apt-get update -qq > /dev/null
        apt_updated=1
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" > /dev/null
    fi
    command -v "$command" > /dev/null
}

# cargo_tool NAME VERSION: a cargo subcommand, built once into target/tools.
cargo_tool() {
    "$1" --version 2> /dev/null | grep -q "$2" && return 0
    cargo install --quiet --locked --root "$tools" "$1" --version "$2"
}

# The summary; the last line is for machines.
summary() {
    say "summary"
    local line
    for line in "${passed[@]}"; do printf 'passed   %s\n' "$line"; done
    for line in "${unsteady[@]}"; do printf 'UNSTEADY %s failed once and passed alone\n' "$line"; done
    for line in "${skipped[@]}"; do printf 'SKIPPED  %s\n' "$line"; done
    for line in "${failed[@]}"; do printf 'FAILED   %s\n' "$line"; done
    printf '%d passed, %d failed, %d skipped\n' "${#passed[@]}" "${#failed[@]}" "${#skipped[@]}"
    [ "${#failed[@]}" = 0 ]
}
