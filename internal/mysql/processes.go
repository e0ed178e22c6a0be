package mysql

import "context"

// showProcesses is the statement that lists sessions. The table
// information_schema.PROCESSLIST would take conditions, but cannot be read at
// all (error 3854) while any session runs a statement that holds bytes which
// are no text in its character set.
const showProcesses = "SHOW PROCESSLIST"

// processes returns the sessions of the server that the account may see, all
// of them with PROCESS: id, user, command, time in seconds, state, and the
// beginning of the statement as info.
func processes(ctx context.Context, q querier) ([]record, error) {
	return queryRecords(ctx, q, showProcesses)
}

// isStatement reports whether a session of somebody is at a statement. The
// one that asks is not meant.
func isStatement(session record) bool {
	switch session.text("user") {
	case "system user", "event_scheduler":
		return false
	}
	switch session.text("command") {
	case "Query", "Execute":
		return session.text("info") != showProcesses
	default:
		return false
	}
}
