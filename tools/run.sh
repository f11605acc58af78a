#!/usr/bin/env bash
# The demo: the daemon on the demo data, and two gateways (sipp) to take its calls. Runs until Ctrl-C or
# SIGTERM, then ends everything that it started. Called by `make run`, which builds what it needs.
set -eu
cd "$(dirname "$0")/.."

sipguard=.venv/bin/sipguard
gateways=(127.0.0.10 127.0.0.11)
ready_seconds=30 # to open a database of any size and bind one socket
stop_seconds=15  # longer than the drain_seconds of config/sipguard.toml

pids=()      # the gateways
daemon=      # and the daemon
interrupts=0 # once it is ready, the first one stops it and the second one waits no longer

# Each in a session of its own, so that Ctrl-C reaches only this script and the order of ending is ours; told
# to end by the kernel should this script be killed.
apart=(setpriv --pdeathsig TERM setsid)

end() {
    local pid=$1 tenths
    kill -TERM "$pid" 2>/dev/null || return 0
    for ((tenths = 0; tenths < stop_seconds * 10 && interrupts < 2; tenths++)); do
        kill -0 "$pid" 2>/dev/null || return 0
        sleep 0.1 || true # a second Ctrl-C ends the sleep, and the waiting
    done
    kill -KILL "$pid" 2>/dev/null || true
}

stop() {
    for pid in $daemon "${pids[@]}"; do end "$pid"; done
}

fail() {
    echo "$1" >&2
    exit 1
}

trap 'exit 0' INT TERM HUP # to be stopped is its way to end
trap stop EXIT

if "$sipguard" status >/dev/null 2>&1; then fail "sipguard runs here already: see sipguard status"; fi
mkdir -p var
"$sipguard" init
.venv/bin/python tools/demo_logins.py var/sipguard.db var/demo-logins

for host in "${gateways[@]}"; do
    "${apart[@]}" sipp -sf sipp_scenarios/demo/uas.xml -nostdin -skip_rlimit \
        -i "$host" -p 5060 -mi "$host" -ci "$host" -bind_local </dev/null >/dev/null 2>"var/gateway-$host.err" &
    pids+=($!)
done

"${apart[@]}" "$sipguard" run </dev/null &
daemon=$!
for ((tenths = 0; ; tenths++)); do
    kill -0 "$daemon" 2>/dev/null || fail "sipguard did not start: see above"
    if "$sipguard" status >/dev/null 2>&1; then break; fi
    if ((tenths > ready_seconds * 10)); then fail "sipguard was not ready within $ready_seconds seconds"; fi
    sleep 0.1
done
for index in "${!gateways[@]}"; do
    kill -0 "${pids[$index]}" 2>/dev/null ||
        fail "the demo gateway at ${gateways[$index]} did not start: see var/gateway-${gateways[$index]}.err"
done

echo
echo "sipguard is ready, and shows itself at http://127.0.0.1:8060/"
if [ -r var/demo-logins ]; then
    while read -r name password; do
        echo "  sign in as $name with the password $password"
    done <var/demo-logins
fi

cat <<'NEXT'

In another terminal, from this directory, try

  a call that is allowed: Customer-001 calls a mobile in Bangladesh for three seconds
    sipp -sf sipp_scenarios/demo/uac.xml -i 127.0.0.2 -s 8801711000001 -d 3000 -m 1 127.0.0.1:5060

  a call that is refused: Customer-001 calls San Francisco, its agent allows Bangladesh only
    sipp -sf sipp_scenarios/refused/forbidden.xml -i 127.0.0.2 -s 14155550100 -m 1 127.0.0.1:5060

  and see what became of them:
    .venv/bin/sipguard cdr list
    .venv/bin/sipguard account list --tree
    .venv/bin/sipguard ledger verify

Ctrl-C ends it.
NEXT

# Counted and not acted upon, because bash takes no second signal while it acts upon the first.
trap 'interrupts=$((interrupts + 1))' INT TERM HUP
code=0
wait "$daemon" || code=$?
if ((interrupts)); then code=0; fi
exit "$code"
