# shellcheck shell=bash
# The command line.

relay=dialtone services=1 probe=1 netem=1 logs=
rootless=${NAT_LAB_ROOTLESS:-}
command=()

options() {
    local sites=
    while [ $# -gt 0 ]; do
        case $1 in
        -h | --help) help; exit 0 ;;
        --list) kind_list; exit 0 ;;
        -q | --quiet) quiet=1 ;;
        --relay)
            relay=${2:-}
            [[ $relay =~ ^(dialtone|coturn|none)$ ]] || usage "--relay takes dialtone, coturn or none, not \`$relay\`"
            shift
            ;;
        --no-services) services= ;;
        --no-probe) probe= ;;
        --no-netem) netem= ;;
        --rootless) rootless=1 ;;
        --logs)
            [ -n "${2:-}" ] || usage "--logs takes a folder"
            logs=$2
            shift
            ;;
        --) shift; command=("$@"); break ;;
        -*) usage "there is no option $1" ;;
        *) sites+=",$1" ;;
        esac
        shift
    done
    sites_parse "$sites"
    [ "${#command[@]}" -gt 0 ] || usage "no command is given: it comes after --"
    [ "$rootless" != 0 ] || rootless=
    [ "$(id -u)" = 0 ] || rootless=1
}
