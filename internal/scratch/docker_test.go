package scratch

import (
	"context"
	"database/sql"
	"encoding/json"
	"strings"
	"testing"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"github.com/openim-dr/openim-dr/internal/bucket"
	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/mysql"
	"github.com/openim-dr/openim-dr/internal/secret"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/tlsmode"
)

// TestServers starts one server of each kind, uses them as our sources do, and
// looks at what of them is seen from outside.
func TestServers(t *testing.T) {
	t.Parallel()
	d := newDrill(t, nil)
	free, err := d.Free(t.Context())
	if err != nil || free.Disk <= 0 || free.Memory <= 0 {
		t.Fatalf("free: %+v, %v", free, err)
	}
	database, store := startBoth(t, d)
	if database.Version == "" || store.Version == "" || database.Started <= 0 || store.Started <= 0 || database.Image == "" || store.Image == "" {
		t.Errorf("the servers say %+v and %+v", database, store)
	}

	t.Run("our sources reach them", func(t *testing.T) {
		for _, mode := range []tlsmode.Mode{tlsmode.Disabled, "", tlsmode.Required} {
			s, err := mysql.New("main", &mysql.Settings{Address: database.Address, User: database.User, Password: database.Password, TLS: mode, Schemas: []string{"none"}}, mysql.Options{})
			if err != nil {
				t.Fatal(err)
			}
			requireReached(t, s, "mysql.reachable")
		}
		s, err := bucket.New("media", &bucket.Settings{Endpoint: store.Endpoint, Region: store.Region, AccessKey: store.AccessKey, SecretKey: store.SecretKey, Buckets: []string{"none"}}, bucket.Options{})
		if err != nil {
			t.Fatal(err)
		}
		requireReached(t, s, "bucket.reachable")
	})
	t.Run("a restore may do everything", func(t *testing.T) {
		db := open(t, database)
		for variable, want := range map[string]string{"log_bin": "0", "local_infile": "1", "event_scheduler": "OFF", "innodb_flush_log_at_trx_commit": "0", "max_allowed_packet": "1073741824"} {
			var got string
			if err := db.QueryRowContext(t.Context(), "SELECT @@GLOBAL."+variable).Scan(&got); err != nil || got != want {
				t.Errorf("%s is %q, %v; want %q", variable, got, err, want)
			}
		}
		for _, statement := range []string{"CREATE DATABASE a", "CREATE USER u@'%'", "GRANT ALL ON *.* TO u@'%' WITH GRANT OPTION", "ALTER INSTANCE DISABLE INNODB REDO_LOG"} {
			if _, err := db.ExecContext(t.Context(), statement); err != nil {
				t.Errorf("%s: %v", statement, err)
			}
		}
	})
	t.Run("what is seen from outside", func(t *testing.T) { requireDiscreet(t, d, database, store) })
	t.Run("nothing is wrong", func(t *testing.T) {
		if err := d.Look(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("nothing is left", func(t *testing.T) {
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := d.Close(ended); err != nil {
			t.Error(err)
		}
		requireNothingLeft(t, d, d.options.Drill)
		if _, err := database.Password.Resolve(); err == nil {
			t.Error("the password is still known")
		}
	})
}

func startBoth(t *testing.T, d *Docker) (database, store *Server) {
	t.Helper()
	group, ctx := errgroup.WithContext(t.Context())
	group.Go(func() (err error) {
		database, err = d.MySQL(ctx, "main")
		return err
	})
	group.Go(func() (err error) {
		store, err = d.S3(ctx, "media")
		return err
	})
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	return database, store
}

func requireReached(t *testing.T, d source.Doctor, check string) {
	t.Helper()
	findings := d.Examine(t.Context())
	for _, f := range findings {
		if f.Check == check && f.Severity == source.OK {
			return
		}
	}
	t.Errorf("no finding %s: %+v", check, findings)
}

func open(t *testing.T, s *Server) *sql.DB {
	t.Helper()
	config := mysqldriver.NewConfig()
	config.Net, config.Addr, config.User, config.Passwd = "tcp", s.Address, s.User, value(t, s.Password)
	connector, err := mysqldriver.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { db.Close() })
	return db
}

func value(t *testing.T, ref secret.Ref) string {
	t.Helper()
	text, err := ref.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// requireDiscreet looks at what the engine tells of the containers: no secret,
// the limits, and no port that is published anywhere but on 127.0.0.1.
func requireDiscreet(t *testing.T, d *Docker, database, store *Server) {
	t.Helper()
	for _, c := range d.started() {
		result, err := d.engine.api.ContainerInspect(t.Context(), c.GetContainerID(), client.ContainerInspectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		shown, err := json.Marshal(result.Container)
		if err != nil {
			t.Fatal(err)
		}
		for _, ref := range []secret.Ref{database.Password, store.AccessKey, store.SecretKey} {
			if strings.Contains(string(shown), value(t, ref)) { // Invariant 4
				t.Errorf("docker inspect shows a secret of the server for %s", c.source)
			}
		}
		if host := result.Container.HostConfig; host.Memory != d.options.Memory || host.MemorySwap != d.options.Memory {
			t.Errorf("memory is limited to %d and %d, want %d", host.Memory, host.MemorySwap, d.options.Memory)
		}
		for port, bindings := range result.Container.NetworkSettings.Ports {
			for _, b := range bindings {
				if b.HostIP.String() != "127.0.0.1" {
					t.Errorf("port %s is published on %s", port, b.HostIP)
				}
			}
		}
		output, err := c.exec(t.Context(), "sh", "-c", "cat /proc/1/cmdline")
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(output, value(t, database.Password)) || strings.Contains(output, value(t, store.SecretKey)) {
			t.Error("the arguments of the server hold a secret") // Invariant 4
		}
	}
}

func TestImageThatCannotBeHad(t *testing.T) {
	t.Parallel()
	d := newDrill(t, func(o *Options) { o.MySQLImage = "127.0.0.1:1/openim-dr/none:1" })
	_, err := d.MySQL(t.Context(), "main")
	requireFault(t, err, fault.Failed, "pull image 127.0.0.1:1/openim-dr/none:1", "docker load")
	found, err := Look(t.Context(), d.options.Log, d.options.MySQLImage, d.options.SeaweedFSImage)
	if err != nil || found.Version == "" || len(found.Missing) != 1 || found.Missing[0] != d.options.MySQLImage {
		t.Errorf("got %+v, %v", found, err)
	}
}

func TestServerThatEndsAtItsStart(t *testing.T) {
	t.Parallel()
	d := newDrill(t, nil)
	_, err := d.MySQL(t.Context(), "main", "--no-such-flag")
	requireFault(t, err, fault.Failed, "it has ended with exit code", "")
	if err == nil || !strings.Contains(err.Error(), "no-such-flag") {
		t.Errorf("its last words are not told: %v", err)
	}
}

func TestDataDirectoryThatIsNotThere(t *testing.T) {
	t.Parallel()
	d := newDrill(t, func(o *Options) { o.DataDirectory = "/no/such/directory" })
	_, err := d.Free(t.Context())
	requireFault(t, err, fault.Failed, "bind source path does not exist", "verify.dataDirectory")
	_, err = d.MySQL(t.Context(), "main")
	requireFault(t, err, fault.Failed, "bind source path does not exist", "verify.dataDirectory")
}

func requireFault(t *testing.T, err error, kind fault.Kind, why, try string) {
	t.Helper()
	e, ok := fault.Outermost(err)
	if !ok || fault.KindOf(err) != kind || !strings.Contains(err.Error(), why) || !strings.Contains(e.Try, try) {
		t.Errorf("got %v (%v), want a fault of kind %v with %q, and %q to try", err, fault.KindOf(err), kind, why, try)
	}
}
