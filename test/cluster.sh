#!/usr/bin/env bash
# Tests an image and the chart on the Kubernetes node, which is up:
#
#   test/cluster.sh IMAGE [ARGUMENT OF go test…]
set -euo pipefail
cd "$(dirname "$0")/.."
image=$1
shift

go run -trimpath ./internal/testbed/cmd/testbed node load bin/openim-dr-image.tar
export OPENIM_DR=$PWD/bin/openim-dr OPENIM_DR_IMAGE=$image
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! go test -tags cluster -count=1 -timeout 30m -v "$@" ./test/cluster | tee "$log"; then
  echo "What failed, once more, since the pods' logs came after it:"
  sed '/^=== NAME /,$d' "$log" | tail -n 8 | cut -c 1-2000
  exit 1
fi
