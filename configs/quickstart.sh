#!/usr/bin/env bash
# From a fresh checkout to a first answered, metered request: installs Debian packages, builds, starts the gateway on the
# demo model, makes a tenant and a key, streams a chat, then shows what was recorded about it.
#   configs/quickstart.sh          does that and stops by itself
#   configs/quickstart.sh --stay   leaves the server running until Ctrl-C
# Exit status 0: the answer came and its usage record agrees with it; 1: something failed, one sentence says what;
# 2: wrong usage; 130: stopped by Ctrl-C.
set -euo pipefail

stay=no
case "$#:${1:-}" in
  0:) ;;
  1:--stay) stay=yes ;;
  *) echo "usage: configs/quickstart.sh [--stay]" >&2; exit 2 ;;
esac

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
umask 077
bin=$root/build/release/bin/moegate
show=(python3 "$root/configs/quickstart_show.py")
question='What is Mixture of Experts?'
server=
SECONDS=0

heading() { printf '\n== %s\n' "$*"; }
fail() { printf 'quickstart: %s\n' "$*" >&2; exit 1; }

stop_server() {
  [ -n "$server" ] || return 0
  local pid=$server
  server=
  kill -TERM "$pid" 2>/dev/null || return 0
  for _ in $(seq 400); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  kill -KILL "$pid" 2>/dev/null || true # only if the drain did not end by itself
  wait "$pid" 2>/dev/null || true
}
trap stop_server EXIT
trap 'trap - INT TERM; printf "\nquickstart: stopping\n"; exit 130' INT TERM

build() {
  local tests=OFF status=0
  if grep -qs '^MOE_BUILD_TESTS:BOOL=ON' build/release/CMakeCache.txt; then tests=ON; fi # built by tests/run.sh before
  cmake --preset release -DMOE_BUILD_TESTS=$tests >build/configure.log 2>&1 ||
    { tail -n 20 build/configure.log >&2; fail "the build could not be configured (log: build/configure.log)"; }
  NINJA_STATUS='[%f/%t, %es] ' cmake --build --preset release --target moegate_all 2>&1 | tee build/build.log |
    if [ -t 1 ]; then cat; else grep --line-buffered -E '^\[|error|FAILED' || true; fi || status=$?
  [ "$status" = 0 ] && [ -x "$bin" ] || fail "the build failed (log: build/build.log)"
}

# A folder of this run's own. Folders of earlier runs go, unless a server still holds their lock.
make_run_folder() {
  local old
  for old in build/quickstart/run-*; do
    [ -d "$old" ] || continue
    if [ ! -e "$old/data/lock" ] || flock -n "$old/data/lock" true; then rm -rf "$old"; fi
  done
  run=$root/build/quickstart/run-$$
  mkdir -p "$run"
  config=$run/moegate.toml
  log=$run/server.log
}

# Starts the gateway. Two ports are chosen; should another program take one in between, two others are tried.
start_server() {
  local attempt
  for attempt in 1 2 3; do
    "${show[@]}" config configs/quickstart.toml "$run" "$attempt" >"$config"
    address=$("${show[@]}" address "$config" server)
    admin_address=$("${show[@]}" address "$config" admin)
    "$bin" serve -c "$config" >"$log" 2>&1 &
    server=$!
    for _ in $(seq 600); do
      if curl -sf -o /dev/null --max-time 2 "http://$address/readyz" 2>/dev/null && kill -0 "$server" 2>/dev/null; then return 0; fi
      kill -0 "$server" 2>/dev/null || break
      sleep 0.1
    done
    stop_server
    grep -qi 'address.*in use' "$log" || break
  done
  tail -n 5 "$log" >&2
  fail "the gateway did not start (log: $log)"
}

admin_get() { curl -sS --fail --max-time 10 --unix-socket "$run/data/admin.sock" "http://localhost$1"; }

heading "Packages"
tests/setup.sh run
heading "Build (release; a few minutes the first time)"
build
echo "built: $bin"

heading "Server"
make_run_folder
start_server
echo "moegate serves the demo model on http://$address (log: $log)"

heading "Tenant"
"$bin" keys create -c "$config" --org acme --project web --name quickstart --create --json >"$run/key.json" ||
  fail "the key could not be created"
key=$("${show[@]}" key "$run/key.json")
echo "organisation acme, project web, key ${key%_*}_... (the secret is shown once; this run keeps it in $run/key.json)"

heading "A streamed answer"
echo "> $question"
admin_get "/admin/v1/moe/demo/load?window=all" >"$run/load_before.json" || fail "the admin interface did not answer"
curl -sSN --max-time 120 -D "$run/headers" "http://$address/v1/chat/completions" \
  -H "Authorization: Bearer $key" -H 'Content-Type: application/json' \
  -d '{"model":"demo","stream":true,"stream_options":{"include_usage":true},"temperature":0,"max_tokens":100,
       "messages":[{"role":"user","content":"'"$question"'"}]}' |
  "${show[@]}" stream "$run/stream.json" || fail "the request was not answered (log: $log)"
admin_get "/admin/v1/moe/demo/load?window=all" >"$run/load_after.json" || fail "the admin interface did not answer"

heading "Its usage record"
"$bin" usage records -c "$config" --json >"$run/records.json" || fail "the usage records could not be read"
"${show[@]}" record "$run/records.json" "$run/stream.json" || fail "the usage record does not agree with the stream"

heading "Which experts answered (assignments per layer, prompt and answer)"
"${show[@]}" routing "$run/load_before.json" "$run/load_after.json"

heading "Where to look next"
login=$("$bin" admin login -c "$config") || login="http://$admin_address/"
cat <<END
dashboard   $login
metrics     http://$admin_address/metrics
curl        curl -N http://$address/v1/chat/completions -H 'Authorization: Bearer $key' \\
              -H 'Content-Type: application/json' \\
              -d '{"model":"demo","stream":true,"messages":[{"role":"user","content":"Who are you?"}]}'
python      from openai import OpenAI
            client = OpenAI(base_url="http://$address/v1", api_key="$key")
            print(client.chat.completions.create(model="demo",
                  messages=[{"role": "user", "content": "Who are you?"}]).choices[0].message.content)
documents   README.md, docs/architecture.md, configs/moegate.example.toml
END

if [ "$stay" = yes ]; then
  printf '\nThe server keeps running; Ctrl-C stops it.\n'
  wait "$server" || fail "the server ended (log: $log)"
else
  stop_server
  printf '\nDone in %d s. The server is stopped; configs/quickstart.sh --stay keeps it running.\n' "$SECONDS"
fi
