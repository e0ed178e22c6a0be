// Package runbook writes the page by which a person brings a recovery point
// back with stock tools only, should there be no openim-dr.
//
// A page is made of facts: what a manifest says of one point, and where to
// restore to. Making it asks nobody and needs no key. Its words:
//
//   - a block is shell code that a person pastes, in order; each ends with a
//     line that begins with OK, or with STOP and why;
//   - variables stand in one block at the top: what a person has to fill in, and
//     what may be changed;
//   - a part is what one source adds to the page. Each kind of source writes its
//     own, beside its capture and restore.
//
// The page is the same whatever the number of files and objects: their lists are
// derived from the manifest, whose SHA-256 the page holds, when it is used.
package runbook
