// Package cluster tests openim-dr as it is installed: with its image and its chart,
// on a whole Kubernetes node, beside a release that looks like OpenIM and writes all
// the time. `make test-cluster` runs it, and `go test ./...` does not.
package cluster
