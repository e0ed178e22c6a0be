package mysql

import (
	"context"
	"fmt"
	"strconv"
)

// facts are what matters of the server as a whole.
type facts struct {
	version             string
	comment             string
	logBin              bool
	gtidMode            string
	localInfile         bool
	lowerCaseTableNames int64
	maxAllowedPacket    int64
	variables           map[string]string // recorded in the point
}

// recordedVariables decide how a dump of this server has to be understood.
var recordedVariables = []string{
	"version", "version_comment", "log_bin", "gtid_mode", "binlog_format", "lower_case_table_names", "sql_mode",
	"character_set_server", "collation_server", "time_zone", "system_time_zone", "explicit_defaults_for_timestamp",
	"max_allowed_packet", "default_storage_engine", "innodb_page_size", "event_scheduler", "local_infile",
	"partial_revokes",
	"read_only", "super_read_only", "log_bin_trust_function_creators", "automatic_sp_privileges",
	"sql_require_primary_key", "sql_generate_invisible_primary_key", "restrict_fk_on_non_standard_key",
}

func askFacts(ctx context.Context, q querier) (facts, error) {
	records, err := queryRecords(ctx, q, "SHOW GLOBAL VARIABLES WHERE Variable_name IN ("+quoteTexts(recordedVariables)+")")
	if err != nil {
		return facts{}, err
	}
	f := facts{variables: make(map[string]string, len(records))}
	for _, r := range records {
		f.variables[r.text("variable_name")] = r.text("value")
	}
	f.version = f.variables["version"]
	f.comment = f.variables["version_comment"]
	f.logBin = f.variables["log_bin"] == "ON"
	f.gtidMode = f.variables["gtid_mode"]
	f.localInfile = f.variables["local_infile"] == "ON"
	f.lowerCaseTableNames = parseInt(f.variables["lower_case_table_names"])
	f.maxAllowedPacket = parseInt(f.variables["max_allowed_packet"])
	return f, nil
}

func parseInt(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// warningCount returns how many warnings the session's last statement left. It
// leaves them there, which SELECT @@warning_count would not.
func warningCount(ctx context.Context, q querier) (int64, error) {
	r, err := queryRecord(ctx, q, "SHOW COUNT(*) WARNINGS")
	if err != nil {
		return 0, fmt.Errorf("count warnings: %w", err)
	}
	return r.number("@@session.warning_count"), nil
}
