package mysql

import (
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository/repotest"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// versions are those that cannot be had here, by what they do not know of what
// is asked.
func versions() map[string]*disguise {
	dynamic := []string{"BACKUP_ADMIN", "CONNECTION_ADMIN", "SYSTEM_VARIABLES_ADMIN", "SESSION_VARIABLES_ADMIN"}
	later := append(slices.Clone(dynamic), "SHOW_ROUTINE", "FLUSH_TABLES", "SYSTEM_USER")
	// The schemas' encryption came with 8.0.16.
	early := disguised("8.0.12", "MySQL Community Server - GPL", append(slices.Clone(dynamic), "SET_USER_ID"),
		noStatement("SHOW BINARY LOG STATUS"), noVariable("restrict_fk_on_non_standard_key"), noVariable("sql_generate_invisible_primary_key"),
		noVariable("show_gipk_in_create_table_and_information_schema"),
		noVariable("sql_require_primary_key"), noVariable("partial_revokes"),
		refused{regexp.MustCompile("information_schema.VIEW_TABLE_USAGE"), erUnknownTable, "42S02"})
	early.rewrite = append(early.rewrite, rewritten{regexp.MustCompile(`^SELECT \* FROM information_schema.SCHEMATA`),
		"SELECT CATALOG_NAME, SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME, SQL_PATH FROM information_schema.SCHEMATA"})
	return map[string]*disguise{
		"8.0.12": early,
		"8.0.36": disguised("8.0.36", "MySQL Community Server - GPL", append(slices.Clone(later), "SET_USER_ID"),
			noStatement("SHOW BINARY LOG STATUS"), noVariable("restrict_fk_on_non_standard_key")),
		"8.0 of Percona": disguised("8.0.36-28", "Percona Server (GPL), Release 28", append(slices.Clone(later), "SET_USER_ID"),
			noStatement("SHOW BINARY LOG STATUS"), noVariable("restrict_fk_on_non_standard_key")),
		"8.4.0": disguised("8.4.0", "MySQL Community Server - GPL", append(slices.Clone(later), "SET_ANY_DEFINER", "ALLOW_NONEXISTENT_DEFINER"),
			noStatement("SHOW MASTER STATUS")),
	}
}

// A whole dump, restore and comparison with servers that know less: what they
// do not know has another way or does without, and nothing else is lost.
func TestOtherVersions(t *testing.T) {
	t.Parallel()
	// What the disguise hides from us must not be in the way behind it.
	server := testbed.Need(t).StartMySQL(t, "--restrict-fk-on-non-standard-key=OFF")
	db := server.Open(t)
	run(t, db, "CREATE DATABASE zoo")
	seedZoo(t, db, "zoo")
	for name, d := range versions() {
		t.Run(name, func(t *testing.T) {
			root := account{d.stand(t, server.Address), server.User, server.Password}
			s := newServer(t, root, nil, "zoo")
			point := repotest.New(t).Capture(t, "main", Kind, s)
			var captured Captured
			if err := point.Captured(&captured); err != nil {
				t.Fatal(err)
			}
			if captured.Version != d.version || captured.From == nil || captured.From.File == "" || captured.Rung != RungGlobalLock {
				t.Errorf("captured version %s by rung %s at %v, want %s with a position", captured.Version, captured.Rung, captured.From, d.version)
			}
			requireEqual(t, bringBack(t, s, point, map[string]string{"zoo": "copied"}))
			if len(d.met) == 0 && name != "8.4.0" {
				t.Error("the version was asked for nothing that it does not know: this test proves nothing")
			}
			if wantMaster := strings.HasPrefix(d.version, "8.0"); d.has("SHOW MASTER STATUS") != wantMaster {
				t.Errorf("SHOW MASTER STATUS was sent: %v, want %v", !wantMaster, wantMaster)
			}
			requireVersionFinding(t, s, d.version)
			run(t, db, "DROP DATABASE copied")
		})
	}
}

// A primary key that the server has added and hides is part of the table.
func TestHiddenPrimaryKeysAreCaptured(t *testing.T) {
	t.Parallel()
	server := testbed.Need(t).StartMySQL(t, "--sql-generate-invisible-primary-key=ON", "--show-gipk-in-create-table-and-information-schema=OFF")
	db := server.Open(t)
	run(t, db, "CREATE DATABASE app", "CREATE TABLE app.t (a INT)", "INSERT INTO app.t VALUES (5), (6), (7)", "DELETE FROM app.t WHERE a = 6")
	as := newAccount(t, db, server.Address, reading, "", "app")
	point := repotest.New(t).Capture(t, "main", Kind, newServer(t, as, nil, "app"))
	root := newServer(t, account{server.Address, server.User, server.Password}, nil, "app")
	requireEqual(t, bringBack(t, root, point, map[string]string{"app": "copied"}))
	if got := text(t, db, "SELECT GROUP_CONCAT(my_row_id, ':', a ORDER BY a) FROM copied.t"); got != "1:5,3:7" {
		t.Errorf("hidden keys and values %s, want 1:5,3:7", got)
	}
}

// requireVersionFinding requires doctor to say what is not known.
func requireVersionFinding(t *testing.T, s *Server, version string) {
	t.Helper()
	for _, f := range s.Examine(t.Context()) {
		if f.Check == "mysql.version" && f.Severity == source.Warning && strings.Contains(f.Evidence, "version "+version+" is tested at the protocol level only") {
			return
		}
	}
	t.Errorf("doctor does not say that nothing was ever run on %s", version)
}

// A hint names the privilege that the version has.
func TestHintsNameWhatTheVersionKnows(t *testing.T) {
	env := testbed.Need(t)
	db, schema, copied := env.OpenMySQL(t), env.NewSchema(t), env.NewSchema(t)
	run(t, db, "CREATE FUNCTION "+schema+".f() RETURNS INT DETERMINISTIC RETURN 1")
	point := repotest.New(t).Capture(t, "main", Kind, newServer(t, rootOf(env), nil, schema))
	as := newAccount(t, db, env.MySQLAddress, "ALL", "", copied)
	for name, want := range map[string][]string{
		"8.0.12": {"SET_USER_ID", "SELECT"},
		"8.0.36": {"SET_USER_ID", "SHOW_ROUTINE"},
		"8.4.0":  {"SET_ANY_DEFINER", "SHOW_ROUTINE"},
	} {
		s := newServer(t, account{versions()[name].stand(t, env.MySQLAddress), as.user, as.password}, nil, schema)
		_, err := s.Plan(t.Context(), point, source.Selection{Rename: map[string]string{schema: copied}})
		e, ok := fault.Outermost(err)
		if !ok {
			t.Fatalf("%s: %v, want an error about privileges", name, err)
		}
		for _, privilege := range want {
			if !strings.Contains(e.Try, privilege) {
				t.Errorf("%s: the hint is %q, want %s in it", name, e.Try, privilege)
			}
		}
	}
}

// Other servers are refused in one line, before anything is asked of them.
func TestUnsupportedServers(t *testing.T) {
	env := testbed.Need(t)
	for version, comment := range map[string]string{
		"5.7.44":                              "MySQL Community Server (GPL)",
		"5.6.51-log":                          "MySQL Community Server (GPL)",
		"5.5.5-10.11.6-MariaDB-1":             "Debian 12",
		"11.4.2-MariaDB":                      "mariadb.org binary distribution",
		"8.0.11-TiDB-v7.5.0":                  "TiDB Server (Apache License 2.0)",
		"8.0.30-Vitess":                       "Version: 19.0.0",
		"5.7.25-OceanBase-v4.2.1.0":           "OceanBase_CE 4.2.1.0",
		"8.0.33":                              "Dolt",
		"unknown":                             "something else",
		"8.0.0-SingleStoreDB source distribu": "SingleStoreDB",
	} {
		t.Run(version, func(t *testing.T) {
			d := disguised(version, comment, nil)
			s := newServer(t, account{d.stand(t, env.MySQLAddress), env.MySQLUser, env.MySQLPassword}, nil, "a")
			_, err := repotest.New(t).TryCapture(t.Context(), t, "main", Kind, s)
			requireRefusal(t, err, "server "+version+" "+comment+" is not supported")
			for _, statement := range d.sent {
				// Each connection of the driver begins with a SET, whatever the server is.
				if !strings.HasPrefix(statement, "SET ") && !strings.HasPrefix(statement, "SHOW GLOBAL VARIABLES") && !strings.HasPrefix(statement, "SELECT @@max_allowed_packet") {
					t.Errorf("it was asked %q", statement)
				}
			}
		})
	}
}

// pluginSwitch is a server's wish for another way to prove who one is.
func pluginSwitch(plugin string) []byte {
	return []byte("\xfe" + plugin + "\x00" + strings.Repeat("s", 20) + "\x00")
}

// What a server may say to a login that will not change by asking again.
func TestRefusedLogins(t *testing.T) {
	tests := map[string]struct {
		answers [][]byte
		says    string
	}{
		"a plugin that we do not have":           {[][]byte{pluginSwitch("authentication_kerberos_client")}, "the authentication plugin of account"},
		"a password in the clear":                {[][]byte{pluginSwitch("mysql_clear_password")}, "in clear text, which is never sent"},
		"a hash of MySQL 4":                      {[][]byte{pluginSwitch("mysql_old_password")}, "the authentication plugin of account"},
		"a plugin that the server has no more":   {[][]byte{errorPacket(erPluginNotLoaded, "HY000", "Plugin 'mysql_native_password' is not loaded")}, "has not loaded the account's authentication plugin"},
		"an old client":                          {[][]byte{errorPacket(erNotSupportedAuthPlug, "08004", "Client does not support authentication protocol")}, "an authentication that this client does not know"},
		"a locked account":                       {[][]byte{errorPacket(erAccountLocked, "HY000", "Access denied for user 'u'@'h'. Account is locked.")}, "the account is locked"},
		"a locked account, for wrong passwords":  {[][]byte{errorPacket(erAccountBlocked, "HY000", "Access denied. Account is blocked for 3 days")}, "locked after too many wrong passwords"},
		"an old password":                        {[][]byte{errorPacket(erMustChangePassword, "HY000", "Your password has expired.")}, "the password has expired"},
		"a blocked host":                         {[][]byte{errorPacket(erHostBlocked, "HY000", "Host '10.0.0.1' is blocked")}, "the server blocks this host"},
		"a host that may not":                    {[][]byte{errorPacket(erHostNotAllowed, "HY000", "Host is not allowed to connect")}, "does not accept connections from this host"},
		"a wish for a key that it does not have": {[][]byte{{1, 4}, errorPacket(erAccessDenied, "28000", "Access denied")}, "the server gives no key to encrypt the password with"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, account{answerLogins(t, tt.answers...), "u", "p"}, nil, "a")
			s.connect = 2 * time.Second
			_, err := s.open(t.Context(), dumpIdle)
			requireRefusal(t, err, tt.says)
		})
	}
}

// converse says one thing after the other, and hears something in between.
func converse(conn net.Conn, says [][]byte) error {
	number := byte(0)
	for i, packet := range says {
		if i > 0 {
			heard, _, err := readPacket(conn)
			if err != nil {
				return err
			}
			number = heard + 1
		}
		if err := writePacket(conn, number, packet); err != nil {
			return err
		}
	}
	return nil
}

// answerLogins greets whoever connects and answers what is said then.
func answerLogins(t *testing.T, answers ...[]byte) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	greeting := "\x0a8.0.36\x00" + "\x01\x00\x00\x00" + "saltsalt\x00" + "\x05\xa2" + "\x2d\x02\x00" + "\x0a\x00" + "\x15" + strings.Repeat("\x00", 10) + "saltsaltsalt\x00" + "caching_sha2_password\x00"
	var wait sync.WaitGroup
	t.Cleanup(func() { listener.Close(); wait.Wait() })
	wait.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if err := converse(conn, append([][]byte{[]byte(greeting)}, answers...)); err != nil {
				t.Logf("answer a login: %v", err)
			}
			conn.Close()
		}
	})
	return listener.Addr().String()
}
