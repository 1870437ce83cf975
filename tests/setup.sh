#!/usr/bin/env bash
# Installs what moegate needs from Debian's own packages, and only what is missing.
#   tests/setup.sh run      to build and run it (the quickstart)
#   tests/setup.sh tests    that, and what the default test suite needs
#   tests/setup.sh ci       that, and what .ci/run needs
# Works on Debian 12 and 13 and on Ubuntu 24.04, as root or with sudo, as often as you like. Exit status 0: everything is
# there; 1: one sentence on stderr says what is in the way.
set -euo pipefail

level=${1:-run}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# One need a line: names that satisfy it, the preferred one first (they differ between releases). "cmd:NAME" means that
# the program is enough, wherever it comes from.
needs_run='
cmd:g++ g++
cmd:cmake cmake
cmd:ninja ninja-build
cmd:pkg-config pkg-config
cmd:curl curl
cmd:python3 python3
libboost1.81-dev libboost1.83-dev libboost1.88-dev
libboost-json1.81-dev libboost-json1.83-dev libboost-json1.88-dev
libboost-url1.81-dev libboost-url1.83-dev libboost-url1.88-dev
libssl-dev
libdnnl-dev
prometheus-cpp-dev
libtomlplusplus-dev
libsqlite3-dev
libpcre2-dev
libutf8proc-dev
libcli11-dev
libspdlog-dev
'
needs_tests='
cmd:ccache ccache
cmd:nm binutils
cmd:abidw abigail-tools
cmd:openssl openssl
cmd:node nodejs
cmd:npm npm
venv python3-venv
libgtest-dev
'
needs_ci='
cmd:clang++ clang
cmd:clang-format clang-format
cmd:clang-tidy clang-tidy
clang-runtime libclang-rt-dev
libomp-dev
'
case $level in
  run) needs=$needs_run free_gib=2 ;;
  tests) needs=$needs_run$needs_tests free_gib=4 ;;
  ci) needs=$needs_run$needs_tests$needs_ci free_gib=12 ;;
  *) fail "unknown level '$level': say run, tests or ci" ;;
esac

is_installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# Is one need (its words as arguments) met already?
is_met() {
  local word
  case $1 in
    cmd:*) command -v "${1#cmd:}" >/dev/null 2>&1 ;;
    venv) python3 -c 'import ensurepip, venv' >/dev/null 2>&1 ;;
    clang-runtime)
      local library
      library=$(clang++ -print-file-name="libclang_rt.fuzzer-$(uname -m).a" 2>/dev/null) && [ -e "$library" ]
      ;;
    *)
      for word in "$@"; do is_installed "$word" && return 0; done
      return 1
      ;;
  esac
}

# The first package of a need that this system's lists offer, empty if none.
candidate() {
  local name policy
  for name in "$@"; do
    case $name in cmd:* | venv | clang-runtime) continue ;; esac
    policy=$(apt-cache policy "$name" 2>/dev/null)
    if [[ $policy =~ Candidate:\ [^\(] ]]; then
      printf '%s' "$name"
      return 0
    fi
  done
}

missing_needs() {
  local line
  while read -r line; do
    [ -n "$line" ] || continue
    # shellcheck disable=SC2086
    is_met $line || printf '%s\n' "$line"
  done <<<"$needs"
}

check_disk() {
  local free_kib
  mkdir -p "$root/build" 2>/dev/null || fail "cannot write to $root: make the checkout writable for this user"
  free_kib=$(df -Pk "$root/build" | awk 'NR == 2 { print $4 }')
  [ "$free_kib" -ge $((free_gib * 1024 * 1024)) ] ||
    fail "not enough disk space under $root: $free_gib GiB are needed, $((free_kib / 1024)) MiB are free"
}

become_root() {
  if [ "$(id -u)" = 0 ]; then
    as_root=(env)
  elif ! command -v sudo >/dev/null 2>&1; then
    fail "packages are missing (${packages[*]}) and there is no sudo: install them as root, then start again"
  elif sudo -n true 2>/dev/null || { [ -t 0 ] && sudo true; }; then
    as_root=(sudo env)
  else
    fail "packages are missing (${packages[*]}) and sudo wants a password: run 'sudo true' in a terminal first"
  fi
}

install_packages() {
  local missing line name log=$root/build/setup.log
  missing=$(missing_needs)
  if [ -z "$missing" ]; then
    say "all packages for '$level' are there"
    return
  fi
  command -v apt-get >/dev/null 2>&1 ||
    fail "apt-get was not found: moegate builds on Debian 12, Debian 13 and Ubuntu 24.04"
  packages=()
  while read -r line; do packages+=("${line##* }"); done <<<"$missing" # for messages until the lists are known
  become_root
  say "updating the package lists"
  "${as_root[@]}" DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -q update >"$log" 2>&1 || true
  packages=()
  while read -r line; do
    # shellcheck disable=SC2086
    name=$(candidate $line)
    [ -n "$name" ] || fail "no package offers '${line##* }' here: check the network and the package sources (log: $log)"
    packages+=("$name")
  done <<<"$missing"
  say "installing ${#packages[@]} packages: ${packages[*]}"
  if ! "${as_root[@]}" DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -q -y \
      --no-install-recommends install "${packages[@]}" >>"$log" 2>&1; then
    if grep -qi 'no space left' "$log"; then fail "the disk is full: free some space and start again (log: $log)"; fi
    if grep -qiE 'could not (resolve|connect)|failed to fetch|temporary failure|unable to connect' "$log"; then
      fail "the packages could not be fetched: check the network, then start again (log: $log)"
    fi
    fail "apt-get could not install the packages: $(grep -m1 -E '^E: ' "$log" || echo 'see the log') (log: $log)"
  fi
  missing=$(missing_needs)
  [ -z "$missing" ] || fail "still missing after the installation: $(tr '\n' ';' <<<"$missing") (log: $log)"
}

# The real clients that the end-to-end tests drive: python openai and Prometheus' own parser in build/venv, npm openai in
# build/node.
python_clients='openai==3.57.0 prometheus-client==0.26.0'
node_clients='openai@6.9.1'

install_clients() {
  local log=$root/build/clients.log
  if [ "$(cat "$root/build/venv/.moegate" 2>/dev/null)" != "$python_clients" ]; then
    say "python client: $python_clients into build/venv"
    { python3 -m venv --clear "$root/build/venv" &&
      "$root/build/venv/bin/python3" -m pip install --quiet --disable-pip-version-check $python_clients; } >"$log" 2>&1 ||
      fail "the python client '$python_clients' could not be installed: check the network (log: $log)"
    printf '%s\n' "$python_clients" >"$root/build/venv/.moegate"
  fi
  if [ "$(cat "$root/build/node/.moegate" 2>/dev/null)" != "$node_clients" ]; then
    say "node client: $node_clients into build/node"
    mkdir -p "$root/build/node"
    npm install --prefix "$root/build/node" --no-audit --no-fund --ignore-scripts $node_clients >"$log" 2>&1 ||
      fail "the node client '$node_clients' could not be installed: check the network (log: $log)"
    printf '%s\n' "$node_clients" >"$root/build/node/.moegate"
  fi
}

check_disk
install_packages
case $level in tests | ci) install_clients ;; esac
exit 0
