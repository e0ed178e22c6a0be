// Package repository knows the layout of a repository, and is the only
// package that does. docs/FORMAT.md specifies what it reads and writes.
//
// A recovery point (point) is what one run captured from one or more sources.
// It exists if and only if its manifest exists, and the manifest is written
// last. A stream is the sequence of points of one schedule of one instance;
// its points form a chain. What belongs to one point alone is sealed to the
// point key, what later points share (packs of bucket objects, segments of
// the object index) to the pack key; the private halves of both exist only
// wrapped, one file per recipient.
//
// No file is ever overwritten (invariant 10): every write is a create that
// fails if the name is taken, and what changes over time is a numbered
// series. Reading (Repository, SourceReader) and writing (Writer, Draft) are
// separate types over separate storage interfaces.
package repository
