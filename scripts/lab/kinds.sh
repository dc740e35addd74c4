# shellcheck shell=bash
# The kinds of sites, and what a STUN client has to see at each (RFC 4787, RFC 5780).

declare -A kind_row=() kind_text=() kind_named=()
kind_order=()

# kind NAME ALIASES ROW TEXT. The row: mapping, filtering, port, hairpin; `-` is not asked.
kind() {
    local alias
    kind_order+=("$1")
    kind_row[$1]=$3 kind_text[$1]=$4
    for alias in "$1" $2; do kind_named[$alias]=$1; done
}

# EI, AD, APD: independent of the other end, dependent on its address, on its address and port.
kind public                    'pub'      'none EI kept -'        'a public address and nothing in the way'
kind firewalled                'pf'       'none APD kept -'       'a public address; the firewall lets in answers only'
kind full-cone                 'fc'       'EI EI kept no'         'a NAT that lets in everybody'
kind full-cone-hairpin         ''         'EI EI kept yes'        'the same, and its own hosts by its public address'
kind address-restricted        'ar'       'EI AD kept no'         'a NAT that lets in whom the host sent to, any port'
kind port-restricted           'pr home'  'EI APD kept no'        'a NAT that lets in answers only: a home router'
kind port-restricted-hairpin   ''         'EI APD kept yes'       'the same, and its own hosts by its public address'
kind symmetric                 'sy'       'APD APD changed no'    'a NAT with another port towards each remote'
kind cgnat                     'cg'       'EI APD kept no'        'a home router behind a carrier NAT (full cone)'
kind cgnat-symmetric           ''         'APD APD changed no'    'a home router behind a symmetric carrier NAT'
kind no-port-preservation      'np'       'EI APD changed no'     'as port-restricted, with another port than the host'
kind address-dependent-mapping 'ad'       'AD APD changed no'     'a NAT with another port towards each remote address'
kind udp-blocked               'ub'       'blocked'               'a NAT that drops UDP'
kind udp-rejected              'ur'       'blocked'               'a NAT that refuses UDP with ICMP'
kind tcp443                    't4'       'blocked'               'a NAT that lets out TCP to port 443 and nothing else'
kind ipv6                      'v6'       'none APD kept -'       'IPv6 alone; the firewall lets in answers only'
kind nat66                     'n6'       'APD APD changed no'    'IPv6 alone behind a symmetric NAT'
kind lan                       ''         'EI APD kept no'        'two hosts on one LAN behind a port-restricted NAT'
kind lan-isolated              ''         'EI APD kept no'        'the same; the hosts cannot reach each other inside'
kind lan-isolated-hairpin      ''         'EI APD kept yes'       'the same, but by the public address'

# kind_list: one line each, for people and for scripts that cut columns.
kind_list() {
    local kind row alias names
    printf '%-26s %-9s %-8s %-9s %-8s %-8s %s\n' KIND ALIAS MAPPING FILTERING PORT HAIRPIN ''
    for kind in "${kind_order[@]}"; do
        names=
        for alias in "${!kind_named[@]}"; do
            [ "${kind_named[$alias]}" != "$kind" ] || [ "$alias" = "$kind" ] || names+=,$alias
        done
        names=${names#,}
        read -ra row <<< "${kind_row[$kind]} - - -"
        printf '%-26s %-9s %-8s %-9s %-8s %-8s %s\n' "$kind" "${names:--}" "${row[@]:0:4}" "${kind_text[$kind]}"
    done
    printf '\nMapping and filtering: EI the same for every remote, AD by its address, APD by its address and port\n'
}

kind_has_two_hosts() { [[ $1 == lan* ]]; }
kind_is_ipv6() { [ "$1" = ipv6 ] || [ "$1" = nat66 ]; }
kind_is_carrier() { [[ $1 == cgnat* ]]; }
kind_is_public() { [ "$1" = public ] || [ "$1" = firewalled ] || [ "$1" = ipv6 ]; }

# nearest WORD: the name with the fewest letters to change.
nearest() {
    printf '%s\n' "${!kind_named[@]}" | awk -v word="$1" '
        function least(a, b, c) { return a < b ? (a < c ? a : c) : (b < c ? b : c) }
        {
            for (j = 0; j <= length(word); j++) row[j] = j
            for (i = 1; i <= length($0); i++) {
                corner = row[0]; row[0] = i
                for (j = 1; j <= length(word); j++) {
                    kept = row[j]
                    row[j] = least(row[j] + 1, row[j - 1] + 1, corner + (substr($0, i, 1) != substr(word, j, 1)))
                    corner = kept
                }
            }
            if (best == "" || row[length(word)] < fewest) { best = $0; fewest = row[length(word)] }
        }
        END { print best }'
}
