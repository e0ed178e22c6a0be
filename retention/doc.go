// Package retention decides which recovery points are kept.
//
// A point counts for a source if it holds it completely and may be the default
// of a restore: it is complete, trusted, neither quarantined nor forgotten, and
// not from the future. The policy is applied to the points that count for one
// source, for each source of an instance by itself (invariant 6). A point stays
// if any of its sources keeps it.
//
// A slot is an hour, a day, a week, a month or a year in the zone of the policy.
// The newest point of a slot stands for it. The last point of a month is also the
// last of its day and of its hour, so what a long rule keeps is what the short
// rules have kept until then: no point is passed over today and missed tomorrow.
// Slots are counted from the newest one that has a point, and slots without any
// are not counted; the age of a point is its distance from the newest one that
// counts for the source. So neither a month of failed runs nor a clock that jumps
// makes a point superfluous.
//
// Deciding is pure: plain data in, decisions with reasons out.
package retention
