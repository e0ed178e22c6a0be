//go:build !race

package repotest

// RaceDetector is whether the race detector watches, which makes a simulated month as
// expensive as half a year without it.
const RaceDetector = false
