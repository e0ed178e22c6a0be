package mysql

import (
	"encoding/json"

	"github.com/openim-dr/openim-dr/internal/secret"
)

// Into returns settings that lead to a scratch server, and otherwise say what
// these say: what of a point is wanted, and how accounts and definers are taken.
func (s *Settings) Into(address, user string, password secret.Ref) *Settings {
	into := *s
	into.Address, into.User, into.Password = address, user, password
	into.TLS, into.TLSCA, into.TLSCert, into.TLSKey, into.ServerPublicKey = "", "", "", "", ""
	into.Binlog, into.DisableRedoLog = "", true // a crash destroys what is thrown away anyway
	if len(into.Schemas) == 0 {
		into.Schemas = []string{"*"} // nothing is configured: the point alone says what there is
	}
	return &into
}

// VersionOf returns the version of the server that a source's part of a point was
// captured from; empty where that cannot be read.
func VersionOf(captured json.RawMessage) string { return recordOf(captured).Version }

// ScratchFlags are those of mysqld without which names of the point would mean
// something else.
func ScratchFlags(captured json.RawMessage) []string {
	if value := recordOf(captured).Variables["lower_case_table_names"]; value == "1" {
		return []string{"--lower-case-table-names=1"} // 2 is for file systems that ignore case
	}
	return nil
}

const (
	// roomFactor is what a table takes on disk for each byte of TSV while it is
	// loaded: rows, indexes, and the runs that are merged into an index.
	roomFactor = 3
	// roomAtLeast is what a server takes by itself.
	roomAtLeast = 512 << 20
)

// RoomFor estimates the disk that a scratch server needs, in bytes.
func RoomFor(captured json.RawMessage) int64 {
	need := int64(roomAtLeast)
	for _, schema := range recordOf(captured).Schemas {
		for _, t := range schema.Tables {
			need += roomFactor * t.Bytes
		}
	}
	return need
}

// recordOf reads as much as can be read: a restore says what is wrong with it.
func recordOf(captured json.RawMessage) Captured {
	var record Captured
	_ = json.Unmarshal(captured, &record)
	return record
}
