// Package cache deletes keys that are stale after a restore from Redis, or from
// what speaks its protocol, such as Dragonfly: by pattern, in the configured
// logical databases of one server or in all masters of a cluster.
//
// The same server holds keys that are nowhere else. Which may be deleted and
// which never is injected; a pattern that could match one of the latter is
// refused, and every single key is held against both before it is deleted.
// Nothing is ever flushed.
package cache
