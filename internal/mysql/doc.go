// Package mysql dumps MySQL schemas into a recovery point and loads them back:
// both directions of one format live together.
//
// A dump is one consistent snapshot over all chosen schemas and all workers;
// how the workers were aligned is a rung of a ladder (see Rung). A table is
// read in ranges of its key, each by one worker, and written as chunks: files
// of tab-separated values with the escapes of LOAD DATA. A column is captured
// through its read expression and comes back through its load expression, both
// recorded in the point, so that a load and a comparison years later use the
// very expressions of the dump. No value is parsed into a Go value and printed
// again: what the server sends is what the chunk holds.
//
// Every row is digested while it streams, and a table's digest is the sum over
// its rows: a comparison reads a restored table by the same expressions and
// must arrive at the same sum.
package mysql
