package testbed

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/openim-dr/openim-dr/internal/testbed/port"
)

// Redis is a server of a test's own.
type Redis struct {
	Address  string // host:port
	Password string
	dir      string
	process  *exec.Cmd
	ended    chan struct{}
}

// Redis connects to a database of the testbed's server, which other tests use as
// well.
func (e *Env) Redis(t testing.TB, database int) *redis.Client {
	t.Helper()
	return (&Redis{Address: e.RedisAddress, Password: e.RedisPassword}).Open(t, database)
}

// Open connects to a database of the server.
func (r *Redis) Open(t testing.TB, database int) *redis.Client {
	t.Helper()
	logging.Disable() // what goes wrong is returned
	client := redis.NewClient(&redis.Options{Addr: r.Address, Password: r.Password, DB: database})
	t.Cleanup(func() { client.Close() })
	return client
}

// StartRedis starts an empty server with lines of configuration of its own. It
// ends with the test.
func (e *Env) StartRedis(t testing.TB, lines ...string) *Redis {
	t.Helper()
	for range portTries {
		if server := e.tryRedis(t, lines); server != nil {
			return server
		}
	}
	t.Fatalf("each of %d ports for redis was taken when it was to be used", portTries)
	return nil
}

// tryRedis returns nil where the server has ended because its port is taken.
func (e *Env) tryRedis(t testing.TB, lines []string) *Redis {
	t.Helper()
	chosen := port.Choose()
	server := &Redis{Address: port.Address(chosen), Password: unique("-"), dir: t.TempDir(), ended: make(chan struct{})}
	config := strings.Join(append([]string{
		"bind 127.0.0.1", fmt.Sprintf("port %d", chosen), "dir " + server.dir, `save ""`,
		"requirepass " + server.Password, "masterauth " + server.Password,
		"set-proc-title no", // or `make testbed-down` would not find it
	}, lines...), "\n") + "\n"
	file := filepath.Join(server.dir, "redis.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	server.process = exec.Command(e.RedisServer, file)
	_, id, _ := strings.Cut(e.label, "=")
	server.process.Env = []string{"OPENIM_DR_TESTBED=" + id + ":redis of a test:"}
	server.process.Stdout = &out
	if err := server.process.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = server.process.Wait() // it is killed
		close(server.ended)
	}()
	t.Cleanup(func() { server.Kill(t) })
	if server.await(t) {
		return server
	}
	if text := out.String(); !strings.Contains(text, "Address already in use") {
		t.Fatalf("redis %s ended:\n%s", server.Address, text)
	}
	return nil
}

// await waits until the server answers. It returns false where it has ended.
func (r *Redis) await(t testing.TB) bool {
	t.Helper()
	client := r.Open(t, 0)
	ctx, cancel := context.WithTimeout(t.Context(), containerPatience)
	defer cancel()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := client.Ping(ctx).Err()
		if err == nil || redis.HasErrorPrefix(err, "NOAUTH") || redis.HasErrorPrefix(err, "WRONGPASS") {
			return true
		}
		select {
		case <-r.ended:
			return false
		case <-ctx.Done():
			t.Fatalf("wait for redis %s: %v", r.Address, err)
		case <-ticker.C:
		}
	}
}

// Kill ends the server at once.
func (r *Redis) Kill(testing.TB) {
	_ = r.process.Process.Kill() // it may have ended
	<-r.ended
}

// FailSaving has the server find out that it cannot save its data to disk.
func (r *Redis) FailSaving(t testing.TB) {
	t.Helper()
	client := r.Open(t, 0)
	if err := os.RemoveAll(r.dir); err != nil { // its working directory
		t.Fatal(err)
	}
	_ = client.BgSave(t.Context()).Err() // it may be saving already
	ctx, cancel := context.WithTimeout(t.Context(), containerPatience)
	defer cancel()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		info, err := client.Info(ctx, "persistence").Result()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(info, "rdb_last_bgsave_status:err") {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal("redis can save its data after all")
		case <-ticker.C:
		}
	}
}
