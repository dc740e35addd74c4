# shellcheck shell=bash
# What was asked for: `a=symmetric,b=home+delay=50ms` becomes names with kinds and impairments.

site_names=()
# Impairments are kept as words, such as `delay=50ms loss=2%`.
declare -A site_kind=() site_impair=()

# sites_parse TEXT
sites_parse() {
    local site
    local -a all
    IFS=, read -ra all <<< "$1"
    for site in "${all[@]}"; do
        [ -n "$site" ] || continue
        [[ $site == *=* ]] || usage "\`$site\` is no site: expected NAME=KIND, such as a=symmetric"
        site_parse "${site%%=*}" "${site#*=}"
    done
    [ "${#site_names[@]}" -gt 0 ] || usage "no site is given: expected NAME=KIND, such as a=symmetric,b=home"
    # A second host's name must not be another site's.
    for site in "${site_names[@]}"; do
        if kind_has_two_hosts "${site_kind[$site]}" && [ -n "${site_kind[${site}2]:-}" ]; then
            usage "${site}2 is the second host of ${site}: give that site another name"
        fi
    done
    [ "${#site_names[@]}" -le 100 ] || usage "${#site_names[@]} sites are too many: at most 100 fit into one lab"
}

# site_parse NAME KIND[+IMPAIRMENT...]
site_parse() {
    local name=$1 rest=$2 kind word impair=
    local -a words
    [[ $name =~ ^[a-z][a-z0-9]{0,9}$ ]] ||
        usage "\`$name\` is no name for a site: expected a letter, then at most nine letters and digits, all small"
    [[ ! $name =~ ^(srv|inet)$ ]] || usage "the name $name is taken by the lab itself"
    [ -z "${site_kind[$name]:-}" ] || usage "there are two sites with the name $name"
    IFS=+ read -ra words <<< "$rest"
    kind=$(kind_parse "${words[0]:-}") || exit
    for word in "${words[@]:1}"; do
        impair_check "$word"
        impair+=" $word"
    done
    site_names+=("$name")
    site_kind[$name]=$kind
    site_impair[$name]=${impair# }
}

# kind_parse WORD: the kind with this name or alias.
kind_parse() {
    [ -n "${1:-}" ] && [ -n "${kind_named[$1]:-}" ] ||
        usage "there is no kind \`${1:-}\`; did you mean $(nearest "${1:-}")? --list shows all"
    printf '%s\n' "${kind_named[$1]}"
}

impair_check() {
    local number='([0-9]+(\.[0-9]+)?)' value=${1#*=}
    case $1 in
    loss=* | reorder=* | duplicate=*)
        [[ $value =~ ^$number%$ ]] && awk "BEGIN { exit !(${value%\%} <= 100) }" ||
            usage "+$1: expected a share such as ${1%%=*}=1%, at most 100%"
        ;;
    delay=* | jitter=*) [[ $value =~ ^${number}ms$ ]] || usage "+$1: expected a time such as ${1%%=*}=50ms" ;;
    rate=*) [[ $value =~ ^[0-9]+[km]bit$ ]] || usage "+$1: expected a rate such as rate=2mbit or rate=800kbit" ;;
    *) usage "there is no impairment +$1; there are loss, rate, delay, jitter, reorder, duplicate" ;;
    esac
}

# impair_value WORDS NAME: the value of one of them; nothing where it is not there.
impair_value() {
    local word
    for word in $1; do
        [ "${word%%=*}" != "$2" ] || printf '%s' "${word#*=}"
    done
}

# Whether any of them needs more than nft and tc's token bucket.
impair_needs_wire() { [[ " $1" =~ \ (delay|jitter|reorder|duplicate)= ]]; }
