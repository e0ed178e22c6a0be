// Package daemon runs jobs by timetables, for as long as it is let.
//
// Of several daemons of one instance one leads and the others stand by. What was
// run is noted in the repository, so that the next leader knows what nobody was
// there for. A job is somebody else's: a function that ends when its context does.
package daemon
