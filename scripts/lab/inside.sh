# shellcheck shell=bash
# What the lab-... commands share. They run inside a lab, and find their site by its name.

lab_home=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for part in say kinds sites base rules cables routers; do
    # shellcheck source=/dev/null
    . "$lab_home/$part.sh"
done
wires=${LAB_WIRES:-}

# usage TEXT
usage() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 64
}

[ -d "${LAB:-}/sites" ] || usage "this is for commands inside scripts/nat-lab"

# site NAME: sets kind, router, number, interface and impair of the site.
site() {
    [[ $1 =~ ^[a-z0-9]+$ ]] && [ -e "$LAB/sites/$1" ] ||
        usage "there is no site $1; there are: $(cd "$LAB/sites" && echo *)"
    # shellcheck source=/dev/null
    . "$LAB/sites/$1"
}
