package mysql

import (
	"fmt"
	"strings"
	"testing"

	driver "github.com/go-sql-driver/mysql"

	"github.com/openim-dr/openim-dr/internal/secret"
	"github.com/openim-dr/openim-dr/internal/tlsmode"
)

// Invariant 4: the server quotes values in its messages; ours never do.
func TestServerMessagesAreNotRepeated(t *testing.T) {
	for _, number := range []uint16{erDupEntry, 1366, 3819} {
		sent := fmt.Errorf("exec: %w", &driver.MySQLError{Number: number, SQLState: [5]byte([]byte("23000")), Message: "Duplicate entry 'private' for key 'PRIMARY'"})
		cleaned := clean(sent)
		if strings.Contains(cleaned.Error(), "private") || !strings.Contains(cleaned.Error(), fmt.Sprint(number)) {
			t.Errorf("error %d reads %q", number, cleaned)
		}
		if !isServer(sent, number) || !isServer(cleaned, number) {
			t.Errorf("error %d is not recognised", number)
		}
	}
}

func TestSettingsAreChecked(t *testing.T) {
	good := Settings{Address: "db:3306", User: "u", Password: secret.Ref("env:P"), Schemas: []string{"a", "b"}}
	tests := map[string]struct {
		change func(*Settings)
		says   string // empty: valid
	}{
		"valid":             {func(*Settings) {}, ""},
		"valid with tls":    {func(s *Settings) { s.TLS = tlsmode.Verify }, ""},
		"no port":           {func(s *Settings) { s.Address = "db" }, "address"},
		"an empty port":     {func(s *Settings) { s.Address = "db:" }, "address"},
		"valid socket":      {func(s *Settings) { s.Address = "unix:/run/mysqld/mysqld.sock" }, ""},
		"a relative socket": {func(s *Settings) { s.Address = "unix:mysqld.sock" }, "address"},
		"a CA unlooked at":  {func(s *Settings) { s.TLS, s.TLSCA = tlsmode.Required, "ca.pem" }, "tlsCA"},
		"a CA by itself":    {func(s *Settings) { s.TLSCA = "ca.pem" }, ""},
		"half a pair":       {func(s *Settings) { s.TLSCert = "c.pem" }, "tlsCert"},
		"the other half":    {func(s *Settings) { s.TLSKey = "c.key" }, "tlsKey"},
		"a pair for no TLS": {func(s *Settings) { s.TLS, s.TLSCert, s.TLSKey = tlsmode.Disabled, "c.pem", "c.key" }, "tlsCert"},
		"valid public key":  {func(s *Settings) { s.TLS, s.ServerPublicKey = tlsmode.Disabled, "k.pem" }, ""},
		"a key unlooked at": {func(s *Settings) { s.ServerPublicKey = "k.pem" }, "serverPublicKey"},
		"no user":           {func(s *Settings) { s.User = "" }, "user"},
		"unknown tls":       {func(s *Settings) { s.TLS = "maybe" }, "tls"},
		"no schema":         {func(s *Settings) { s.Schemas = nil }, "schemas"},
		"a schema twice":    {func(s *Settings) { s.Schemas = []string{"a", "a"} }, "twice"},
		"a system schema":   {func(s *Settings) { s.Schemas = []string{"mysql"} }, "server itself"},
		"in capitals":       {func(s *Settings) { s.Schemas = []string{"MySQL"} }, "server itself"},
		"a table alone":     {func(s *Settings) { s.Tables.Exclude = []string{"t"} }, "tables.exclude: \"t\" is not SCHEMA.TABLE"},
		"a dot of the name": {func(s *Settings) { s.NoData = []string{`a\.b`} }, "noData"},
		"a clause for all":  {func(s *Settings) { s.Where = map[string]string{"t": "1"} }, "where: a key is not SCHEMA.TABLE"},
		"an empty clause":   {func(s *Settings) { s.Where = map[string]string{"a.t": ""} }, "where: a value is empty"},
		"a broken clause":   {func(s *Settings) { s.Where = map[string]string{"a.t": "a = 1) OR (1"} }, "closes a parenthesis"},
		"an endless wait":   {func(s *Settings) { s.LockWait = 1 << 60 }, "lockWait"},
		"chunks of nothing": {func(s *Settings) { s.ChunkSize = 1 }, "chunkSize"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := good
			tt.change(&s)
			err := s.Validate()
			if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want an error about %q", err, tt.says)
			}
		})
	}
}
