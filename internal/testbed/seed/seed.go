// Package seed fills real servers with an OpenIM-like deployment: the MySQL
// schemas of the server and of the chat service, the bucket with its media, and
// the Secrets and ConfigMaps of the cluster.
//
// One generator serves all tests, the demo and the benchmarks. What it writes is
// decided by the Size alone: the same Size gives the same bytes, whichever
// server they go to, whatever the number of workers, today and tomorrow. The
// three stores agree with each other: each row of `object` names an object that
// Bucket uploads, with its real size and hash.
//
// Two words have a meaning of their own here:
//
//   - nasty: legal, seen in the field, and likely to be mangled by a careless tool;
//   - marker: a string that occurs in what is secret or personal (messages,
//     passwords, contents of objects) and nowhere else, so that a test can search
//     a repository and the logs for it and must find nothing.
package seed

import (
	"maps"
	"runtime"
	"slices"
)

// Size decides what is generated.
type Size struct {
	Rows      int    // rows over all tables; small numbers are raised to what gives each table some
	Objects   int    // objects in the bucket
	Seed      uint64 // everything random follows from it
	MaxObject int64  // bytes of the largest object; 0 means 1 MiB
	MidObject int64  // bytes that half of the objects do not reach; 0 means a thousandth of the largest
	Plain     bool   // only what OpenIM itself has: no view, routine, trigger, event, table of a fork, odd key, or tag and header of an object but its type
}

// Demo is the size that `make demo` shows.
func Demo() Size {
	return Size{Rows: 200_000, Objects: 3_000, Seed: 20261123, MaxObject: 20_000_000}
}

// Small is enough for most integration tests: every table and every kind of
// object occurs, and the whole is there in a second or two.
func Small() Size {
	return Size{Rows: 3_000, Objects: 120, Seed: 1, MaxObject: 64 << 10}
}

func (s Size) midObject() int64 {
	if s.MidObject > 0 {
		return s.MidObject
	}
	return max(s.maxObject()/1000, 4*smallestObject)
}

func (s Size) maxObject() int64 {
	if s.MaxObject == 0 {
		return 1 << 20
	}
	return max(s.MaxObject, smallestObject)
}

// Result says what was written.
type Result struct {
	Rows        int64            // rows inserted
	Tables      map[string]int64 // rows inserted by table, as `schema.table`
	Objects     int              // objects uploaded
	ObjectBytes int64            // their bytes
	Secrets     int              // Secrets created or changed
	ConfigMaps  int              // ConfigMaps created or changed
	markers     []string
}

// Markers lists strings that are in what was written and that must never be
// found outside of it: parts of messages and of objects, passwords, and the
// base64 forms in which Kubernetes shows the latter.
func (r Result) Markers() []string {
	return slices.Clone(r.markers)
}

// Join adds up several results, for a test that seeds several stores.
func Join(results ...Result) Result {
	sum := Result{Tables: map[string]int64{}}
	for _, r := range results {
		sum.Rows += r.Rows
		sum.Objects += r.Objects
		sum.ObjectBytes += r.ObjectBytes
		sum.Secrets += r.Secrets
		sum.ConfigMaps += r.ConfigMaps
		for table, rows := range r.Tables {
			sum.Tables[table] += rows
		}
		sum.markers = append(sum.markers, r.markers...)
	}
	slices.Sort(sum.markers)
	sum.markers = slices.Compact(sum.markers)
	return sum
}

// tableNames lists the tables of a result in a stable order.
func (r Result) tableNames() []string {
	return slices.Sorted(maps.Keys(r.Tables))
}

// workers is the number of connections that are used at a time: twice the
// processors, since the server works while we wait for it.
func workers() int {
	return min(8, 2*runtime.GOMAXPROCS(0))
}
