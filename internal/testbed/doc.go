// Package testbed gives tests the real servers that they run against: MySQL,
// SeaweedFS, a Google Cloud Storage emulator, a Kubernetes API server with the
// controllers of workloads, and Redis, as `make testbed` starts them; and
// Chromium, to look at pages with.
//
// Need is the way in. Whatever a test makes with the help of an Env (a schema, a
// bucket, a namespace, a server of its own) is unique, so that tests run side by
// side, and is removed when the test ends.
package testbed
