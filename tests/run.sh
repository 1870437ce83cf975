#!/usr/bin/env bash
# Packages, release build, default test suite (unit, conformance, abi, e2e with 10 kills); one closing line
# `N passed, M failed`. Exit status 0: everything passed; 1: something failed; 2: wrong usage.
#   tests/run.sh                    all of it
#   tests/run.sh unit abi           only these labels
# MOE_PRESET (default release) chooses another build, as .ci/run does for the sanitized ones.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
preset=${MOE_PRESET:-release}
labels=${*:-unit conformance abi e2e}
for label in $labels; do
  case $label in
    unit | conformance | abi | e2e) ;;
    *) echo "usage: tests/run.sh [unit|conformance|abi|e2e]..." >&2; exit 2 ;;
  esac
done
fail() { printf 'run: %s\n' "$*" >&2; exit 1; }

tests/setup.sh tests
build=$root/build/$preset
[ "$preset" != ci ] || build=$root/build/release
results=$build/test-results
SECONDS=0
mkdir -p "$build"

echo "run: configuring preset '$preset'"
cmake --preset "$preset" -DMOE_BUILD_TESTS=ON >"$build/configure.log" 2>&1 ||
  { tail -n 30 "$build/configure.log" >&2; fail "the build could not be configured (log: $build/configure.log)"; }
echo "run: building (log: $build/build.log)"
status=0
NINJA_STATUS='[%f/%t, %es] ' cmake --build --preset "$preset" 2>&1 | tee "$build/build.log" |
  if [ -t 1 ]; then cat; else grep --line-buffered -E '^\[[0-9]*[05]0/|error|warning|FAILED' || true; fi || status=$?
[ "$status" = 0 ] || { grep -A 20 -m 3 -E 'error|FAILED' "$build/build.log" >&2; fail "the build failed"; }
echo "run: built in $SECONDS s"

rm -rf "$results"
mkdir -p "$results/gtest"
SECONDS=0
status=0
# Each unit program writes its own report; ctest keeps the output of every test, from which the others are counted.
GTEST_OUTPUT="xml:$results/gtest/" NODE_PATH="$root/build/node/node_modules" \
  ctest --test-dir "$build" --label-regex "^($(tr ' ' '|' <<<"$labels"))\$" --parallel 2 --no-tests=error \
  --output-junit "$results/ctest.xml" --test-output-size-passed 1048576 --test-output-size-failed 1048576 \
  >"$results/ctest.log" 2>&1 || status=$?
[ -s "$results/ctest.xml" ] || { tail -n 20 "$results/ctest.log" >&2; fail "ctest ran no test"; }
echo "run: suite ended after $SECONDS s"
closing=0
python3 tests/tools/summary.py "$results" || closing=$?
[ "$status" = 0 ] && [ "$closing" = 0 ]
