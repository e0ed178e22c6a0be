package mysql

import (
	"context"
	"fmt"
	"strings"
)

// Position is a place in the server's binary log. It is nil where the server
// keeps no binary log or the account may not ask, and without a file where
// only the GTID set is known.
type Position struct {
	File     string `json:"file,omitempty"`
	Position int64  `json:"position,omitempty"`
	GTIDSet  string `json:"gtidSet,omitempty"`
}

// binlogPosition asks for the end of the binary log. Servers before 8.2 know
// only the older statement, and 8.4 and later only the newer.
func binlogPosition(ctx context.Context, q querier) (*Position, error) {
	records, err := queryRecords(ctx, q, "SHOW BINARY LOG STATUS")
	if isServer(err, erParse) {
		records, err = queryRecords(ctx, q, "SHOW MASTER STATUS")
	}
	switch {
	case isDenied(err):
		return nil, nil // not known is an answer
	case err != nil:
		return nil, fmt.Errorf("ask for the position of the binary log: %w", err)
	case len(records) == 0:
		return nil, nil // not known is an answer
	}
	r := records[0]
	return &Position{
		File:     r.text("file"),
		Position: r.number("position"),
		GTIDSet:  strings.ReplaceAll(r.text("executed_gtid_set"), "\n", ""),
	}, nil
}

// ReplicaPosition is how far a replica had applied the binary log of its
// source: everything before the place was applied. With several appliers more
// may have been; exact is the GTID set of the replica's own Position.
type ReplicaPosition struct {
	Channel    string `json:"channel,omitempty"`
	SourceUUID string `json:"sourceUUID"`
	File       string `json:"file"`
	Position   int64  `json:"position"`
}

// replica is one channel of SHOW REPLICA STATUS.
type replica struct {
	ReplicaPosition
	source            string // HOST:PORT of what it follows
	receives, applies bool
	errno             int64
	lag               int64 // seconds, or -1 where the server does not know
}

// tolerableLag is how many seconds a replica may be behind.
const tolerableLag = 60

// stopped reports whether the channel does not follow its source.
func (r *replica) stopped() bool { return !r.receives || !r.applies }

// replicas returns the channels on which the server is a replica, none where
// the account may not ask. Servers before 8.0.22 know only the older words.
func replicas(ctx context.Context, q querier) ([]replica, error) {
	records, err := queryRecords(ctx, q, "SHOW REPLICA STATUS")
	if isServer(err, erParse) {
		records, err = queryRecords(ctx, q, "SHOW SLAVE STATUS")
	}
	if isDenied(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("ask for the state of replication: %w", err)
	}
	var all []replica
	for _, r := range records {
		now := record{}
		for name, value := range r {
			now[strings.NewReplacer("slave", "replica", "master", "source").Replace(name)] = value
		}
		channel := replica{
			ReplicaPosition: ReplicaPosition{
				Channel: now.text("channel_name"), SourceUUID: now.text("source_uuid"),
				File: now.text("relay_source_log_file"), Position: now.number("exec_source_log_pos"),
			},
			source:   now.text("source_host") + ":" + now.text("source_port"),
			receives: now.text("replica_io_running") == "Yes", applies: now.text("replica_sql_running") == "Yes",
			errno: max(now.number("last_io_errno"), now.number("last_sql_errno")), lag: -1,
		}
		if now.has("seconds_behind_source") {
			channel.lag = now.number("seconds_behind_source")
		}
		all = append(all, channel)
	}
	return all, nil
}
