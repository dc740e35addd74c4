# shellcheck shell=bash
# What runs on the public host: signaling and a relay. Their addresses go into the environment of the command.

services_up() {
    certificate
    [ "$relay" = none ] || "relay_$relay"
    signaling_up
    environment 203.0.113.10 203.0.113.11 203.0.113.12 203.0.113.10:3478
    # For sites with IPv6 alone; read by their @NAME.
    (
        environment '[2001:db8::10]' '[2001:db8::11]' '[2001:db8::12]' "${nat6:-}"
        declare -p "${environment[@]}"
    ) > "$LAB/environment6"
}

# environment PLAIN TLS SIGNALING NAT: exports where everything is; `environment` lists what it set.
environment() {
    environment=(LAB_SERVER)
    export LAB_SERVER=ws://$1:443/ws
    [ -z "${LAB_CA:-}" ] || {
        export LAB_WSS=wss://$3/ws LAB_PAGE=https://$3
        environment+=(LAB_WSS LAB_PAGE)
    }
    [ "$relay" != none ] || return 0
    environment+=(LAB_NAT LAB_STUN LAB_TURN LAB_TURN_TCP)
    export LAB_NAT=$4 LAB_STUN=stun:$1:3478 LAB_TURN=turn:$1:3478 LAB_TURN_TCP="turn:$1:3478?transport=tcp"
    [ -z "${LAB_CA:-}" ] || { export LAB_TURNS="turns:$2:443?transport=tcp" && environment+=(LAB_TURNS); }
}

# serve NAME TEXT COMMAND...: starts a program on the public host and waits until it says TEXT. Sets `served`.
serve() {
    local name=$1 text=$2
    nsenter --net=/run/netns/srv "${@:3}" > "$LAB/log/$name.log" 2>&1 < /dev/null &
    served=$!
    wait_for "$text" "$LAB/log/$name.log" "$served" || broken "$3 does not start; its last words are above"
}

signaling_up() {
    needs_program dialtone-server dialtone-server
    needs_program peer-cli peer-cli
    # For who places a call between all of them; nobody else misses it.
    ! program nat-matrix > /dev/null || needs_program nat-matrix dialtone-tests
    serve signaling 'ready on' dialtone-server --listen '[::]:8080' --origin any
    export LAB_SERVER_PID=$served
    [ -z "${LAB_CA:-}" ] || signaling_tls_up
}

# A page can be told of STUN and TURN by its server alone; whoever calls through the other server brings his own.
signaling_tls_up() {
    local ice=()
    [ "$relay" = none ] || ice=(--stun-url stun:203.0.113.10:3478)
    [ -z "${LAB_TURN_SECRET:-}" ] || ice+=(--turn-url turn:203.0.113.10:3478
        --turn-url 'turn:203.0.113.10:3478?transport=tcp' --turn-url 'turns:203.0.113.11:443?transport=tcp'
        --turn-secret "$LAB_TURN_SECRET" --ice-without-login)
    serve signaling-tls 'ready on' dialtone-server --listen '[::]:8443' --origin any \
        --tls-cert "$LAB/tls/chain.pem" --tls-key "$LAB/tls/key.pem" "${ice[@]}"
}

# Relayed addresses of one relay are its own addresses, which it would take for private.
relay_dialtone() {
    local tls=()
    export LAB_TURN_USER=lab LAB_TURN_PASSWORD=lab-password LAB_TURN_SECRET=lab-secret
    needs_program dialtone-turn dialtone-turn
    [ -z "${LAB_CA:-}" ] || tls=(--tls-cert "$LAB/tls/chain.pem" --tls-key "$LAB/tls/key.pem"
        --tls-listen 203.0.113.11:443 --tls-listen 203.0.113.10:5349 --tls-listen '[2001:db8::11]:443')
    serve relay 'dialtone-turn ready on' dialtone-turn "${tls[@]}" \
        --listen 203.0.113.10:3478 --listen '[2001:db8::10]:3478' --discovery 203.0.113.11:3479 \
        --public-ip 203.0.113.10 --public-ip 2001:db8::10 \
        --allow-peer 203.0.113.10/32 --allow-peer 2001:db8::10/128 --admin 203.0.113.10:9641 \
        --user "$LAB_TURN_USER:$LAB_TURN_PASSWORD" --secret "$LAB_TURN_SECRET" --unauthenticated-rate 0
    export LAB_RELAY_PID=$served LAB_ADMIN=http://203.0.113.10:9641/metrics
    # One relay tells of one pair of addresses; IPv6 gets another.
    serve discovery6 'dialtone-turn ready on' dialtone-turn --listen '[2001:db8::12]:3478' \
        --discovery '[2001:db8::13]:3479' --user "$LAB_TURN_USER:$LAB_TURN_PASSWORD" --workers 1
    nat6='[2001:db8::12]:3478'
}

relay_coturn() {
    command -v turnserver > /dev/null || broken "coturn's turnserver is missing: apt-get install coturn"
    local tls=(--no-tls)
    export LAB_TURN_USER=lab LAB_TURN_PASSWORD=lab-password
    [ -z "${LAB_CA:-}" ] || tls=(--cert "$LAB/tls/chain.pem" --pkey "$LAB/tls/key.pem" --aux-server 203.0.113.11:443
        --aux-server '[2001:db8::11]:443')
    serve relay 'UDP listener opened on: 203.0.113.11:3479' turnserver --verbose -n --no-cli --log-file stdout \
        --simple-log --pidfile "$LAB/turnserver.pid" --db "$LAB/turndb" "${tls[@]}" --no-dtls \
        -L 203.0.113.10 -L 203.0.113.11 -L 2001:db8::10 -L 2001:db8::11 -E 203.0.113.10 -E 2001:db8::10 \
        --listening-port 3478 --tls-listening-port 5349 --realm dialtone --lt-cred-mech \
        --user "$LAB_TURN_USER:$LAB_TURN_PASSWORD"
    export LAB_RELAY_PID=$served
    nat6='[2001:db8::10]:3478'
}

# certificate: an authority of this lab alone, and what it says about the public host.
certificate() {
    local folder=$LAB/tls names=IP:203.0.113.10,IP:203.0.113.11,IP:203.0.113.12
    names+=,IP:2001:db8::10,IP:2001:db8::11,IP:2001:db8::12
    command -v openssl > /dev/null || {
        note "there is no openssl, and so no TLS: LAB_CA, LAB_TURNS and LAB_WSS are not set"
        return
    }
    mkdir -p "$folder"
    {
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj '/CN=NAT lab authority' \
            -keyout "$folder/ca.key" -out "$folder/ca.pem" &&
            openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=srv \
                -keyout "$folder/key.pem" -out "$folder/srv.csr" &&
            openssl x509 -req -in "$folder/srv.csr" -CA "$folder/ca.pem" -CAkey "$folder/ca.key" -CAcreateserial \
                -days 2 -out "$folder/srv.pem" -extfile <(printf '%s\n' basicConstraints=CA:FALSE \
                    extendedKeyUsage=serverAuth "subjectAltName=$names")
    } > "$LAB/log/openssl.log" 2>&1 || broken "openssl makes no certificate: $(tail -n 3 "$LAB/log/openssl.log")"
    cat "$folder/srv.pem" "$folder/ca.pem" > "$folder/chain.pem"
    export LAB_CA=$folder/ca.pem
}
