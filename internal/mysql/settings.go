package mysql

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/secret"
	"github.com/openim-dr/openim-dr/internal/tlsmode"
)

// Settings configure one MySQL server as a source.
type Settings struct {
	Address  string       `yaml:"address" json:"address" jsonschema_description:"HOST:PORT of the server, or unix:/PATH of its socket"`
	User     string       `yaml:"user" json:"user" jsonschema_description:"account that dumps and restores"`
	Password secret.Ref   `yaml:"password,omitempty" json:"password,omitempty" jsonschema_description:"env:NAME or file:PATH"`
	TLS      tlsmode.Mode `yaml:"tls,omitempty" json:"tls,omitempty" jsonschema_description:"disabled, preferred (default), required, verify-ca (default with tlsCA) or verify-identity (also spelled verify)"`
	TLSCA    string       `yaml:"tlsCA,omitempty" json:"tlsCA,omitempty" jsonschema_description:"PEM file with the authorities to trust; without it the system's"`
	TLSCert  string       `yaml:"tlsCert,omitempty" json:"tlsCert,omitempty" jsonschema_description:"PEM file with the certificate to show to the server, for accounts that REQUIRE one; needs tlsKey"`
	TLSKey   string       `yaml:"tlsKey,omitempty" json:"tlsKey,omitempty" jsonschema_description:"PEM file with the private key of tlsCert, without a passphrase"`
	// ServerPublicKey is for passwords that are sent without TLS: whoever
	// stands in the middle could send a key of their own.
	ServerPublicKey string   `yaml:"serverPublicKey,omitempty" json:"serverPublicKey,omitempty" jsonschema_description:"PEM file with the server's RSA key, which encrypts the password where there is no TLS; without it the server is asked for its key. Only with tls: disabled"`
	Schemas         []string `yaml:"schemas" json:"schemas" jsonschema_description:"schemas to capture: names, or patterns with * and ?"`

	ExcludeSchemas []string          `yaml:"excludeSchemas,omitempty" json:"excludeSchemas,omitempty" jsonschema_description:"schemas to leave out again: names or patterns"`
	Tables         TableChoice       `yaml:"tables,omitempty" json:"tables,omitempty" jsonschema_description:"which tables and views of these schemas; all without it"`
	NoData         []string          `yaml:"noData,omitempty" json:"noData,omitempty" jsonschema_description:"patterns SCHEMA.TABLE of tables that are captured without their rows"`
	Where          map[string]string `yaml:"where,omitempty" json:"where,omitempty" jsonschema_description:"which rows: a condition in SQL by pattern SCHEMA.TABLE; the others are not in the point"`
	ChunkKeys      map[string]string `yaml:"chunkKeys,omitempty" json:"chunkKeys,omitempty" jsonschema_description:"the unique index by which a table is cut into chunks, by pattern SCHEMA.TABLE; default its primary key or the first that will do"`

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
	Binlog         BinlogMode    `yaml:"binlog,omitempty" json:"binlog,omitempty" jsonschema_description:"whether a restore goes into the server's binary log: auto (default; it does where a replica or archiver is connected), on or off"`
	DisableRedoLog bool          `yaml:"disableRedoLog,omitempty" json:"disableRedoLog,omitempty" jsonschema_description:"switch the redo log off while a restore loads; only on a server that holds no schema, which a crash meanwhile destroys"`
	ChunkSize      quantity.Size `yaml:"chunkSize,omitempty" json:"chunkSize,omitempty" jsonschema_description:"bytes of rows per chunk of a large table, before compression; default 64 MiB"`

	Accounts         AccountScope   `yaml:"accounts,omitempty" json:"accounts,omitempty" jsonschema_description:"all (default) or none: whether users, roles and their grants are captured and restored"`
	ExcludeAccounts  []string       `yaml:"excludeAccounts,omitempty" json:"excludeAccounts,omitempty" jsonschema_description:"patterns user@host of accounts that are neither captured nor restored, such as those of a provider"`
	ExistingAccounts ExistingPolicy `yaml:"existingAccounts,omitempty" json:"existingAccounts,omitempty" jsonschema_description:"what a restore does to an account that exists and differs: keep (default) or replace"`
	RefusedAccounts  RefusedPolicy  `yaml:"refusedAccounts,omitempty" json:"refusedAccounts,omitempty" jsonschema_description:"what a restore does where the target refuses an account or a grant: keep (default) fails, skip leaves it out and reports it"`
	Definers         DefinerPolicy  `yaml:"definers,omitempty" json:"definers,omitempty" jsonschema_description:"views, routines, triggers and events whose definer the target lacks: keep (default) the definer, make it current-user, or skip them"`
}

const (
	defaultLockWait  = 5 * time.Second
	defaultDDLWait   = time.Minute
	defaultIdle      = 5 * time.Minute
	defaultChunkSize = 64 << 20
	minChunkSize     = 64 << 10
)

// Validate reports the first setting that cannot be meant.
func (s *Settings) Validate() error {
	if err := s.validateAddress(); err != nil {
		return err
	}
	if s.User == "" {
		return invalid("user: is required")
	}
	if err := s.validateTLS(); err != nil {
		return err
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
		return invalid("chunkSize: it is less than %s", quantity.Size(minChunkSize))
	}
	if err := s.validatePolicies(); err != nil {
		return err
	}
	_, err := s.selection(false)
	return err
}

// SpeaksSQL says that a drill may ask a copy of the source with SQL.
func (s *Settings) SpeaksSQL() bool { return true }

func (s *Settings) lockWait() time.Duration { return cmp.Or(s.LockWait, defaultLockWait) }

func (s *Settings) ddlWait() time.Duration { return cmp.Or(s.DDLWait, defaultDDLWait) }

func (s *Settings) idle() time.Duration { return cmp.Or(s.Idle, defaultIdle) }

func (s *Settings) chunkSize() int64 { return int64(cmp.Or(s.ChunkSize, defaultChunkSize)) }

// seconds rounds up to whole seconds, as the server's variables want them.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

func invalid(format string, args ...any) error {
	return fault.New(fault.Usage, "read the settings of a MySQL source", "%w", fmt.Errorf(format, args...))
}
