// Package starter starts and stops the testbed: the real servers that tests and
// the demo use.
//
// Its words: a part is one server of the testbed (mysql, seaweedfs, gcs,
// kubernetes). An artifact is what a part runs and what takes long to make: a
// binary or an image's file system. Artifacts are kept in a cache outside the
// checkout, keyed by their recipe: whatever decides the result, such as the
// module files, the flags and the scripts.
//
// All that belongs to one checkout carries the checkout's id, a hash of its
// path: processes in their environment, containers in a label and in their
// names. So two checkouts never meet, and what a killed run left is found
// without any record of it.
package starter
