#!/usr/bin/env bash
# Writes tests/abi/moe.abi anew from a library with debug data: refresh_baseline.sh build/abi/lib/libmoe.so
# A deliberate act: the same commit explains it in docs/CHANGELOG.md.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
abidw --no-show-locs --no-corpus-path --no-comp-dir-path --no-elf-needed --exported-interfaces-only --headers-dir "$here/../../include" --drop-private-types \
  --out-file "$here/moe.abi" "${1:?usage: refresh_baseline.sh LIBRARY}"
