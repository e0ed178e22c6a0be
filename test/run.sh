#!/usr/bin/env bash
# Runs every test of every module with the testbed up, fails when one was
# skipped, and closes with the slowest tests and the counts.
set -uo pipefail
cd "$(dirname "$0")/.."
root=$PWD
events=$(mktemp)
trap 'rm -f "$events"' EXIT

gotestsum() { go tool -modfile="$root/tools/go.mod" gotestsum "$@"; }

# The race detector watches our own code, and all that hands data from one
# goroutine to another. Inside compression, ciphers and random numbers, which do
# neither, it would find nothing and take most of the time. Nothing may be added
# here that uses atomics or generic containers: its copies of those would be shared.
uninstrumented=()
for packages in github.com/klauspost/compress/... golang.org/x/crypto/... math/rand/v2 \
  crypto/internal/fips140/{bigmod,edwards25519/...,mlkem,nistec/...,sha3}; do
  uninstrumented+=("-gcflags=$packages=-race=false")
done

# With the race detector collecting garbage costs more than having it around, and
# a program waits for a second before it ends: here many end.
export GOGC=400 GORACE=atexit_sleep_ms=50

status=0
# -p 2: the servers are shared, and tests that take global locks wait for each
# other. -parallel: most tests wait for servers most of the time, but not for
# ever: with more at once some find two cores too slow. The time limit is a safety
# net, not a budget.
gotestsum --format pkgname-and-test-fails --format-hide-empty-pkg --jsonfile "$events.main" -- \
  -race "${uninstrumented[@]}" -trimpath -p 2 -parallel 4 -count=1 -timeout 40m "$@" ./... || status=1
# Months and years are simulated without the race detector, too: with it the same
# tests go through fewer.
gotestsum --format pkgname-and-test-fails --format-hide-empty-pkg --jsonfile "$events.years" -- -trimpath -count=1 -timeout 8h \
  -run '^(TestSoak|TestEveryKeptPointOfAHistoryIsRestorable)$' ./internal/daemon ./retention || status=1
(cd internal/testbed/servers/gcs &&
  gotestsum --format pkgname-and-test-fails --format-hide-empty-pkg --jsonfile "$events.gcs" -- -race -trimpath -count=1 -timeout 10m ./...) || status=1
# Without the race detector: all that it would watch is Prometheus.
(cd deploy/helm/alerts &&
  gotestsum --format pkgname-and-test-fails --format-hide-empty-pkg --jsonfile "$events.alerts" -- -trimpath -count=1 -timeout 10m ./...) || status=1
cat "$events".{main,years,gcs,alerts} >"$events"
rm -f "$events".{main,years,gcs,alerts}

echo
echo "Slowest tests:"
gotestsum tool slowest --jsonfile "$events" --num 10 || status=1

count() { grep -c "\"Action\":\"$1\".*\"Test\":" "$events"; }
passed=$(count pass) failed=$(count fail) skipped=$(count skip)
if [ "$skipped" -gt 0 ]; then
  echo "error: $skipped tests were skipped, and a skipped test has shown nothing:"
  grep '"Action":"skip"' "$events" | sed -n 's/.*"Package":"\([^"]*\)","Test":"\([^"]*\)".*/  \1 \2/p'
  status=1
fi
if [ "$passed" -eq 0 ]; then
  echo "error: no test was run"
  status=1
fi
echo
echo "$passed passed, $failed failed, $skipped skipped"
exit "$status"
