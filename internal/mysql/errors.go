package mysql

import (
	"errors"
	"fmt"

	driver "github.com/go-sql-driver/mysql"
)

// Error numbers of the server that something here branches on.
const (
	erAccessDeniedDB          = 1044
	erAccessDenied            = 1045
	erUnknownTable            = 1109
	erBadDB                   = 1049
	erBadField                = 1054
	erDupEntry                = 1062
	erNoSuchTable             = 1146
	erUnknownVariable         = 1193
	erLockWaitTimeout         = 1205
	erLockDeadlock            = 1213
	erSpecificAccessDenied    = 1227
	erWrongVariable           = 1231
	erReadOnlyVariable        = 1238
	erNoSuchThread            = 1094
	erQueryInterrupted        = 1317
	erTableAccessDenied       = 1142
	erColumnAccessDenied      = 1143
	erViewInvalid             = 1356
	erRoutineMissing          = 1305
	erNoSuchUser              = 1449
	erTableDefChanged         = 1412
	erUnknownCollation        = 1273
	erUnknownCharset          = 1115
	erRecordFileFull          = 1114
	erDiskFull                = 1021
	erOptionPrevents          = 1290
	erLocalInfileServer       = 3948
	erPasswordExpired         = 1820
	erTooManyConnections      = 1040
	erHostNotAllowed          = 1130
	erNotSupportedAuthPlug    = 1251
	erHostBlocked             = 1129
	erInvalidJSON             = 3140
	erInvalidJSONParameter    = 3141
	erPacketTooLarge          = 1153
	erAllowedPacketOverflowed = 1301
	erPluginNotLoaded         = 1524
	erAccessNoPassword        = 1698
	erMustChangePassword      = 1862
	erAccountLocked           = 3118
	erInsecureTransport       = 3159
	erAccountBlocked          = 3955
	erServerShutdown          = 1053
	erMaxExecutionTime        = 3024
	erParse                   = 1064
	erWrongArguments          = 1318
	erDupFieldName            = 1060
	erDupKeyName              = 1061
	erDupForeignKey           = 1826
	erRoutineUnsafe           = 1418
	erRoutineNoSuper          = 1419
	erSessionVariableDenied   = 1229
	erNoSuchAccount           = 1396 // also: it exists already
	erNoSuchGrant             = 1141
	erNoSuchColumnGrant       = 1147
	erSyntax                  = 1149
	erUnknownRole             = 3523
	erRoleNotGranted          = 3530
	erGrantCreatesUser        = 1410
	erIllegalGrant            = 1144
	erNoMasterKey             = 3185
	erTablespaceMissing       = 3510
	erTriggerMissing          = 1360
	erEventMissing            = 1539
	erClientTimeout           = 4031
)

// words replace the server's messages, which may quote values of rows. Only
// numbers whose meaning helps an operator are here.
var words = map[uint16]string{
	erAccessDeniedDB:          "the account may not use the schema",
	erAccessDenied:            "user name or password is wrong",
	erBadDB:                   "the schema does not exist",
	erBadField:                "a column does not exist",
	erDupEntry:                "a key occurs twice",
	erNoSuchTable:             "a table does not exist",
	erLockWaitTimeout:         "a lock was not had in time",
	erLockDeadlock:            "deadlock with another session",
	erSpecificAccessDenied:    "the account lacks a privilege",
	erQueryInterrupted:        "the query was killed",
	erTableAccessDenied:       "the account lacks a privilege on a table",
	erColumnAccessDenied:      "the account lacks a privilege on a column",
	erViewInvalid:             "a view refers to something that does not exist, or its definer lacks rights",
	erRoutineMissing:          "a routine does not exist",
	erNoSuchUser:              "the definer does not exist",
	erTableDefChanged:         "the table's definition has changed since the snapshot was opened",
	erUnknownCollation:        "the server does not know a collation",
	erUnknownCharset:          "the server does not know a character set",
	erRecordFileFull:          "the table or its disk is full",
	erDiskFull:                "the server's disk is full",
	erOptionPrevents:          "the server runs with an option that forbids it, such as read_only",
	erPasswordExpired:         "the password has expired",
	erTooManyConnections:      "the server has no connection left",
	erHostNotAllowed:          "the server does not accept connections from this host",
	erServerShutdown:          "the server is shutting down",
	erNotSupportedAuthPlug:    "the server wants an authentication that this client does not know",
	erPacketTooLarge:          "a packet is larger than max_allowed_packet",
	erAllowedPacketOverflowed: "a value is larger than max_allowed_packet",
	erHostBlocked:             "the server blocks this host after too many failed connections",
	erPluginNotLoaded:         "the server has not loaded the account's authentication plugin",
	erMustChangePassword:      "the password has expired",
	erAccountLocked:           "the account is locked",
	erInsecureTransport:       "the server allows encrypted connections only",
	erAccountBlocked:          "the account is locked after too many wrong passwords",
	erMaxExecutionTime:        "the query took longer than max_execution_time",
	erLocalInfileServer:       "local_infile is off",
	erRoutineUnsafe:           "a function or trigger is not declared safe for the binary log, and log_bin_trust_function_creators is off",
	erRoutineNoSuper:          "a function or trigger is created with a binary log, and log_bin_trust_function_creators is off",
	erParse:                   "the server does not understand a statement",
	erNoMasterKey:             "the server has no keyring, and the table or schema is encrypted",
	erTablespaceMissing:       "the server lacks the table's tablespace",
	erNoSuchAccount:           "the account does not exist, or does already",
	erNoSuchGrant:             "there is no such grant, or partial_revokes is off",
	erSyntax:                  "the server does not know a privilege",
	erUnknownRole:             "an account or role does not exist",
}

// serverError is an error that the server sent, without its message: messages
// quote values, and no value may reach a log or a terminal (invariant 4).
type serverError struct {
	number uint16
	state  string
}

func (e *serverError) Error() string {
	if text, ok := words[e.number]; ok {
		return fmt.Sprintf("%s (server error %d)", text, e.number)
	}
	return fmt.Sprintf("server error %d (SQLSTATE %s)", e.number, e.state)
}

// clean strips the server's message from err. Errors that are not from the
// server pass unchanged.
func clean(err error) error {
	var sent *driver.MySQLError
	if errors.Is(err, driver.ErrInvalidConn) { // the driver keeps to itself why
		return fmt.Errorf("the connection broke, or the server was silent for too long: %w", err)
	}
	if !errors.As(err, &sent) {
		return err
	}
	return &serverError{number: sent.Number, state: string(sent.SQLState[:])}
}

// isServer reports whether err is one of the given errors of the server.
func isServer(err error, numbers ...uint16) bool {
	number := uint16(0)
	var sent *driver.MySQLError
	var cleaned *serverError
	switch {
	case errors.As(err, &sent):
		number = sent.Number
	case errors.As(err, &cleaned):
		number = cleaned.number
	default:
		return false
	}
	for _, n := range numbers {
		if n == number {
			return true
		}
	}
	return false
}

// isDenied reports whether err says that a privilege is missing.
func isDenied(err error) bool {
	return isServer(err, erAccessDeniedDB, erSpecificAccessDenied, erTableAccessDenied, erColumnAccessDenied)
}
