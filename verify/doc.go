// Package verify shows that what a repository holds is good, on two levels.
// Check looks at the storage: without a private key, whether every file is there
// and is what was written. A drill restores into scratch servers and compares.
package verify
