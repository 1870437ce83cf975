#!/usr/bin/env bash
# Installs a build into a folder of its own and uses it as a stranger would: a program found by find_package(moe), one by
# pkg-config, and the installed moegate itself, with nothing but its own files.
#   tests/install/install_test.sh BUILD      prints `N passed, M failed`
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=$(cd "${1:?usage: install_test.sh BUILD}" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix
question='Who are you?'
passed=0 failed=0

check() { # check NAME COMMAND...
  local name=$1
  shift
  if "$@" >"$work/log" 2>&1; then
    passed=$((passed + 1))
    echo "ok   $name"
  else
    failed=$((failed + 1))
    echo "FAIL $name"
    tail -n 20 "$work/log" | sed 's/^/     /'
  fi
}

answers() { LD_LIBRARY_PATH=$libdir "$1" "$root/configs/models/demo" "$question" | grep -q 'tiny demo model'; }
by_cmake() {
  cmake -S "$root/tests/install/consumer" -B "$work/by_cmake" -DCMAKE_PREFIX_PATH="$prefix" &&
    cmake --build "$work/by_cmake" && answers "$work/by_cmake/consumer"
}
by_pkg_config() {
  local flags
  flags=$(PKG_CONFIG_PATH=$libdir/pkgconfig pkg-config --cflags --libs moe) || return 1
  # shellcheck disable=SC2086
  cc -std=c99 "$root/tests/abi/c99.c" -o "$work/by_pkg_config" $flags && answers "$work/by_pkg_config"
}
versioned_library() {
  local real
  real=$(readlink -f "$libdir/libmoe.so") && [ "$(readlink "$libdir/libmoe.so")" = libmoe.so.1 ] &&
    [ "$(basename "$real")" != libmoe.so.1 ]
}
wrong_version_refused() { # 0.1 must not satisfy a wish for 2.0
  ! cmake -S "$root/tests/install/consumer" -B "$work/wrong" -DCMAKE_PREFIX_PATH="$prefix" -DWANTED_VERSION=2.0 2>&1
}
program_finds_its_plugins() { "$prefix/bin/moegate" facts "$root/configs/models/demo" --json | python3 -m json.tool; }
no_build_paths() { ! grep -rlF "$build" "$prefix"/lib*/cmake "$prefix"/lib*/pkgconfig "$libdir"/cmake 2>/dev/null | grep .; }

if ! cmake --install "$build" --prefix "$prefix" >"$work/log" 2>&1; then
  cat "$work/log"
  echo "0 passed, 1 failed"
  exit 1
fi
libdir=$(dirname "$(find "$prefix" -name libmoe.so | head -n 1)")

check find_package_builds_and_answers by_cmake
check pkg_config_builds_and_answers by_pkg_config
check library_is_versioned versioned_library
check another_major_version_is_refused wrong_version_refused
check exported_files_name_no_build_folder no_build_paths
if [ -x "$build/bin/moegate" ]; then check installed_program_finds_its_plugins program_finds_its_plugins; fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
