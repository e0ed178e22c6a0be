// Package seal turns plaintext into what a repository stores and back:
// compressed with zstd where that helps, encrypted with age, and summed while
// it streams. It also holds the keys around that: run keys and their wraps,
// signatures with roles in minisign's format, and the keyed digests that may
// stand in plain files.
//
// Everything here can be undone with the stock programs age, zstd, sha256sum
// and minisign.
package seal
