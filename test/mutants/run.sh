#!/usr/bin/env bash
# Breaks one thing at a time in a copy of the tree and requires the test that
# guards it to fail. A patch says in its first line which test that is:
#   # test: ./internal/repository -run TestFence
# Arguments choose patches: run.sh 8-fence-skipped 10
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
patches=$root/test/mutants
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT

git ls-files -z --cached --others --exclude-standard |
  while IFS= read -r -d '' file; do [ -f "$file" ] && printf '%s\0' "$file"; done |
  tar --create --null --files-from=- | tar --extract --directory="$copy"
# Tests that need the servers find them from the copy too.
[ -d "$root/.testbed" ] && ln -s "$root/.testbed" "$copy/.testbed"
cd "$copy"

chosen() { # NAME [PREFIX...]
  local name=$1
  shift
  [ $# -eq 0 ] && return 0
  for prefix; do [[ $name == "$prefix"* ]] && return 0; done
  return 1
}

run() { go test -count=1 -timeout=3m "$@"; }

declare -A sound # tests that were seen to pass without a mutant
killed=0 survived=0 broken=0
verdict() { # WORD NAME WHY
  printf '%-9s %s%s\n' "$1" "$2" "${3:+: $3}"
}

for patch in "$patches"/*.patch; do
  name=$(basename "$patch" .patch)
  chosen "$name" "$@" || continue
  read -r -a test <<<"$(sed -n '1s/^# test: //p' "$patch")"
  if [ "${#test[@]}" -eq 0 ]; then
    verdict BROKEN "$name" "its first line names no test"
    broken=$((broken + 1))
    continue
  fi
  if [ -z "${sound[${test[*]}]:-}" ]; then
    if ! run -v "${test[@]}" >"$copy.log" 2>&1 || grep -qE 'no tests to run|--- SKIP' "$copy.log"; then
      verdict BROKEN "$name" "its test does not pass as it is: go test ${test[*]}"
      tail -n 5 "$copy.log"
      broken=$((broken + 1))
      continue
    fi
    sound[${test[*]}]=1
  fi
  if ! git apply -C1 --recount "$patch" 2>"$copy.log"; then
    verdict BROKEN "$name" "it does not apply any more: $(head -n 1 "$copy.log")"
    broken=$((broken + 1))
    continue
  fi
  if ! go vet "${test[0]}" >"$copy.log" 2>&1; then
    verdict BROKEN "$name" "it does not compile: $(grep -v '^#' "$copy.log" | head -n 1)"
    broken=$((broken + 1))
  elif run "${test[@]}" >"$copy.log" 2>&1; then
    verdict SURVIVED "$name" "go test ${test[*]} has not noticed"
    survived=$((survived + 1))
  else
    verdict killed "$name" ""
    killed=$((killed + 1))
  fi
  git apply -R -C1 --recount "$patch"
done
rm -f "$copy.log"

echo
echo "$killed killed, $survived survived, $broken broken"
[ "$killed" -gt 0 ] && [ "$survived" -eq 0 ] && [ "$broken" -eq 0 ]
