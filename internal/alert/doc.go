// Package alert decides what people are told of a deployment, and when.
//
// A concern is something that they should know of: a reason that a report of status
// gives, a run that has failed, objects that were changed by hand. A concern that lasts
// is told when it appears or becomes worse, again once in a while, and when it is over.
// One that happens is told once. What each receiver was told is kept in the repository:
// a daemon that starts anew repeats nothing. It is noted after it was sent, so that a
// daemon that dies in between tells it twice rather than never.
package alert
