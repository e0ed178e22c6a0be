package mysql

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/secret"
)

// Settings configure one MySQL server as a source.
type Settings struct {
	Address  string     `yaml:"address" json:"address" jsonschema_description:"HOST:PORT of the server"`
	User     string     `yaml:"user" json:"user" jsonschema_description:"account that dumps and restores"`
	Password secret.Ref `yaml:"password,omitempty" json:"password,omitempty" jsonschema_description:"env:NAME or file:PATH"`
	TLS      TLSMode    `yaml:"tls,omitempty" json:"tls,omitempty" jsonschema_description:"disabled, preferred (default), required, verify-ca or verify-identity (also spelled verify)"`
	TLSCA    string     `yaml:"tlsCA,omitempty" json:"tlsCA,omitempty" jsonschema_description:"PEM file with the authorities to trust; without it the system's"`
	Schemas  []string   `yaml:"schemas" json:"schemas" jsonschema_description:"schemas to capture"`
	// LockWait bounds how long others may have to wait for a lock that the
	// dump asks for or holds.
	LockWait time.Duration `yaml:"lockWait,omitempty" json:"lockWait,omitempty" jsonschema_description:"longest time that other sessions wait for a lock of the dump; default 5s"`
	// DDLWait is longer: whoever waits for the backup lock keeps nobody else
	// waiting.
	DDLWait time.Duration `yaml:"ddlWait,omitempty" json:"ddlWait,omitempty" jsonschema_description:"longest time that a change of a definition is held off by LOCK INSTANCE FOR BACKUP; default 1m"`
	// NoBackupLock leaves LOCK INSTANCE FOR BACKUP out. A change of a
	// definition is then noticed at the end instead of held off.
	NoBackupLock bool `yaml:"noBackupLock,omitempty" json:"noBackupLock,omitempty" jsonschema_description:"do not hold off DDL with LOCK INSTANCE FOR BACKUP; a change during the dump then fails it"`
	// Idle ends every wait for the server that is not known to be busy.
	Idle time.Duration `yaml:"idle,omitempty" json:"idle,omitempty" jsonschema_description:"longest silence of the server, in the midst of rows or of a load, before the run fails; default 5m"`
	// Binlog and DisableRedoLog are for restores into the server.
	Binlog         BinlogMode `yaml:"binlog,omitempty" json:"binlog,omitempty" jsonschema_description:"whether a restore goes into the server's binary log: auto (default; it does where a replica or archiver is connected), on or off"`
	DisableRedoLog bool       `yaml:"disableRedoLog,omitempty" json:"disableRedoLog,omitempty" jsonschema_description:"switch the redo log off while a restore loads; only on a server that holds no schema, which a crash meanwhile destroys"`
	ChunkSize      int64      `yaml:"chunkSize,omitempty" json:"chunkSize,omitempty" jsonschema_description:"bytes of rows per chunk, before compression; default 64 MiB"`

	Accounts         AccountScope   `yaml:"accounts,omitempty" json:"accounts,omitempty" jsonschema_description:"all (default) or none: whether users, roles and their grants are captured and restored"`
	ExcludeAccounts  []string       `yaml:"excludeAccounts,omitempty" json:"excludeAccounts,omitempty" jsonschema_description:"patterns user@host of accounts that are neither captured nor restored, such as those of a provider"`
	ExistingAccounts ExistingPolicy `yaml:"existingAccounts,omitempty" json:"existingAccounts,omitempty" jsonschema_description:"what a restore does to an account that exists and differs: keep (default) or replace"`
	RefusedAccounts  RefusedPolicy  `yaml:"refusedAccounts,omitempty" json:"refusedAccounts,omitempty" jsonschema_description:"what a restore does where the target refuses an account or a grant: keep (default) fails, skip leaves it out and reports it"`
	Definers         DefinerPolicy  `yaml:"definers,omitempty" json:"definers,omitempty" jsonschema_description:"views, routines, triggers and events whose definer the target lacks: keep (default) the definer, make it current-user, or skip them"`
}

// TLSMode says how a connection is secured, in the words of MySQL's own
// --ssl-mode.
type TLSMode string

// TLS modes. The empty mode is TLSPreferred.
const (
	TLSDisabled       TLSMode = "disabled"
	TLSPreferred      TLSMode = "preferred"
	TLSRequired       TLSMode = "required"
	TLSVerifyCA       TLSMode = "verify-ca"
	TLSVerifyIdentity TLSMode = "verify-identity"
	TLSVerify         TLSMode = "verify" // verify-identity
)

var tlsModes = []TLSMode{"", TLSDisabled, TLSPreferred, TLSRequired, TLSVerifyCA, TLSVerifyIdentity, TLSVerify}

const (
	defaultLockWait  = 5 * time.Second
	defaultDDLWait   = time.Minute
	defaultIdle      = 5 * time.Minute
	defaultChunkSize = 64 << 20
	minChunkSize     = 64 << 10
)

// systemSchema holds the accounts.
const systemSchema = "mysql"

// systemSchemas belong to the server and are never captured.
var systemSchemas = []string{systemSchema, "information_schema", "performance_schema", "sys"}

// Validate reports the first setting that cannot be meant.
func (s *Settings) Validate() error {
	if _, _, err := net.SplitHostPort(s.Address); err != nil {
		return invalid("address: %q is not HOST:PORT", s.Address)
	}
	if s.User == "" {
		return invalid("user: is required")
	}
	if !slices.Contains(tlsModes, s.TLS) {
		return invalid("tls: must be one of %q", tlsModes[1:])
	}
	if !slices.Contains(binlogModes, s.Binlog) {
		return invalid("binlog: must be one of %q", binlogModes[1:])
	}
	for name, d := range map[string]time.Duration{"lockWait": s.LockWait, "ddlWait": s.DDLWait, "idle": s.Idle} {
		if d < 0 || d > time.Hour {
			return invalid("%s: %s is not between 0 and 1h", name, d)
		}
	}
	if s.ChunkSize != 0 && s.ChunkSize < minChunkSize {
		return invalid("chunkSize: %d bytes are fewer than %d", s.ChunkSize, minChunkSize)
	}
	if err := s.validatePolicies(); err != nil {
		return err
	}
	return s.validateSchemas()
}

func (s *Settings) validateSchemas() error {
	if len(s.Schemas) == 0 {
		return invalid("schemas: name at least one")
	}
	seen := make(map[string]bool, len(s.Schemas))
	for _, name := range s.Schemas {
		switch {
		case name == "":
			return invalid("schemas: a name is empty")
		case slices.Contains(systemSchemas, name):
			return invalid("schemas: %q belongs to the server itself and cannot be captured", name)
		case seen[name]:
			return invalid("schemas: %q is named twice", name)
		}
		seen[name] = true
	}
	return nil
}

func (s *Settings) lockWait() time.Duration { return cmp.Or(s.LockWait, defaultLockWait) }

func (s *Settings) ddlWait() time.Duration { return cmp.Or(s.DDLWait, defaultDDLWait) }

func (s *Settings) idle() time.Duration { return cmp.Or(s.Idle, defaultIdle) }

func (s *Settings) chunkSize() int64 { return cmp.Or(s.ChunkSize, defaultChunkSize) }

// seconds rounds up to whole seconds, as the server's variables want them.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

func invalid(format string, args ...any) error {
	return fault.New(fault.Usage, "read the settings of a MySQL source", "%w", fmt.Errorf(format, args...))
}
