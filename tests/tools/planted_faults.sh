#!/usr/bin/env bash
# Guards that cannot fail guard nothing: builds the program with a planted fault and demands that its test notices.
#   deliver before commit   kills under load must leave a client with tokens that the ledger does not know
# The planted build lies in build/planted. Prints `N passed, M failed`.
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root" || exit 1
python=build/venv/bin/python3
[ -x "$python" ] || python=python3
passed=0 failed=0

verdict() { # verdict NAME yes|no
  if [ "$2" = yes ]; then
    passed=$((passed + 1))
    echo "ok   $1"
  else
    failed=$((failed + 1))
    echo "FAIL $1"
  fi
}

mkdir -p build/planted
if ! { cmake --preset release -B build/planted -DMOE_BUILD_TESTS=OFF -DMOE_TEST_DELIVER_BEFORE_COMMIT=ON &&
  cmake --build build/planted --target moegate_all plugin_playback plugin_null; } >build/planted/build.log 2>&1; then
  tail -n 20 build/planted/build.log
  echo "0 passed, 1 failed"
  exit 1
fi

# --expect-failure: the checker must find tokens that were received and not billed.
if "$python" tests/e2e/kill_test.py --build "$root/build/planted" --kills 20 --expect-failure >build/planted/kills.log 2>&1 &&
  grep -qE 'received .*(> billed|has no record)' build/planted/kills.log; then
  verdict delivery_before_the_commit_is_noticed_after_kills yes
else
  verdict delivery_before_the_commit_is_noticed_after_kills no
  tail -n 20 build/planted/kills.log
fi

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
