package cache_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/cache"
	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed"
	"github.com/openim-dr/openim-dr/internal/testbed/network"
)

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// private is part of a key that no error may quote, as it names a user.
const private = "hunter2-the-user"

// requireFault wants an error for people, and that the doctor says the same.
func requireFault(t *testing.T, c *cache.Cache, err error, kind fault.Kind, saying ...string) {
	t.Helper()
	e, ok := fault.Outermost(err)
	if !ok {
		t.Fatalf("error %v, want a fault", err)
	}
	if e.Kind != kind || e.Try == "" {
		t.Errorf("error %v of kind %s with the hint %q, want kind %s and a hint", err, e.Kind, e.Try, kind)
	}
	for _, text := range append(saying, "cache dragonfly (") {
		if !strings.Contains(err.Error()+"\n"+e.Try, text) {
			t.Errorf("error %q with the hint %q does not say %q", err, e.Try, text)
		}
	}
	findings := c.Examine(t.Context())
	if len(findings) != 1 || findings[0].Severity != source.Error || findings[0].Remedy == "" {
		t.Errorf("findings %+v, want one error with a remedy", findings)
	}
}

func TestAServerThatCannotBeUsedIsExplained(t *testing.T) {
	env := testbed.Need(t)
	tests := map[string]struct {
		lines  []string
		change func(t *testing.T, server *testbed.Redis, s *cache.Settings)
		kind   fault.Kind
		saying []string
	}{
		"a wrong password": {
			change: func(t *testing.T, _ *testbed.Redis, s *cache.Settings) { s.Password = reference(t, "wrong") },
			kind:   fault.Usage, saying: []string{"does not accept the user and password"},
		},
		"no password": {
			change: func(_ *testing.T, _ *testbed.Redis, s *cache.Settings) { s.Password = "" },
			kind:   fault.Usage, saying: []string{"wants a password"},
		},
		"a password that is not there": {
			change: func(_ *testing.T, _ *testbed.Redis, s *cache.Settings) { s.Password = "file:/nowhere" },
			kind:   fault.Usage, saying: []string{"/nowhere"},
		},
		"an unknown user": {
			change: func(_ *testing.T, _ *testbed.Redis, s *cache.Settings) { s.User = "nobody" },
			kind:   fault.Usage, saying: []string{"does not accept the user and password"},
		},
		"a user who may not delete": {
			lines: []string{"user limited on +@all -unlink -del ~* >limited"},
			change: func(t *testing.T, _ *testbed.Redis, s *cache.Settings) {
				s.User, s.Password = "limited", reference(t, "limited")
			},
			kind: fault.Usage, saying: []string{"delete keys like USER_INFO:* from database 0", "may not do that", "ACL SETUSER"},
		},
		"a user who may not delete all of it": {
			lines: []string{"user limited on +@all ~USER_INFO:* >limited"},
			change: func(t *testing.T, _ *testbed.Redis, s *cache.Settings) {
				s.User, s.Password = "limited", reference(t, "limited")
			},
			kind: fault.Usage, saying: []string{"delete keys like USER_GLOBAL_RECV_MSG_OPT_KEY:*", "may not do that"},
		},
		"a database that is not there": {
			change: func(_ *testing.T, _ *testbed.Redis, s *cache.Settings) { s.Databases = []int{0, 99} },
			kind:   fault.Usage, saying: []string{"no such database"},
		},
		"a server without any way to delete": {
			lines: []string{`rename-command UNLINK ""`, `rename-command DEL ""`},
			kind:  fault.Usage, saying: []string{"does not know the command"},
		},
		"a server that cannot save its data": {
			lines: []string{"save 3600 1"},
			change: func(t *testing.T, server *testbed.Redis, _ *cache.Settings) {
				server.FailSaving(t)
			},
			kind: fault.Failed, saying: []string{"cannot save its data"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := env.StartRedis(t, tt.lines...)
			seed(t, server.Open(t, 0), "USER_INFO:"+private)
			s := settings(t, server)
			if tt.change != nil {
				tt.change(t, server, &s)
			}
			c := newCache(t, s, false)
			for verb, do := range map[string]func(context.Context) ([]cache.Count, error){"plan": c.Plan, "purge": c.Purge} {
				counts, err := do(t.Context())
				if err == nil {
					t.Fatalf("%s: no error, and %v", verb, counts)
				}
				requireFault(t, c, err, tt.kind, tt.saying...)
				if strings.Contains(err.Error(), private) || strings.Contains(err.Error(), server.Password) {
					t.Errorf("%s: the error quotes what is private: %v", verb, err)
				}
			}
			if n := server.Open(t, 0).DBSize(t.Context()).Val(); n != 1 {
				t.Errorf("%d keys are left, want the one that was there", n)
			}
		})
	}
}

func TestAnUnreachableServerIsNamed(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	c := newCache(t, cache.Settings{Name: "dragonfly", Address: address}, false)
	_, err = c.Purge(t.Context())
	requireFault(t, c, err, fault.Failed, "no answer after ", address, "connection refused")
}

// On a replica deleting is refused, or does harm where it is not.
func TestAReplicaIsRefusedAndItsPrimaryNamed(t *testing.T) {
	env := testbed.Need(t)
	for name, lines := range map[string][]string{"read-only": nil, "writable": {"replica-read-only no"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			primary := env.StartRedis(t)
			seed(t, primary.Open(t, 0), stale["USER_INFO:*"]...)
			host, port, err := net.SplitHostPort(primary.Address)
			if err != nil {
				t.Fatal(err)
			}
			replica := env.StartRedis(t, append(lines, "replicaof "+host+" "+port, "masterauth "+primary.Password)...)
			c := newCache(t, settings(t, replica), false)
			_, err = c.Purge(t.Context())
			requireFault(t, c, err, fault.Usage, "it is a replica", "set address to its primary, "+primary.Address)
			if n := primary.Open(t, 0).DBSize(t.Context()).Val(); n != 2 {
				t.Errorf("%d keys are left, want 2", n)
			}
		})
	}
}

func TestServersOfLessMeans(t *testing.T) {
	env := testbed.Need(t)
	tests := map[string]struct {
		lines []string
		user  string
	}{
		"UNLINK is unknown":               {[]string{`rename-command UNLINK ""`}, ""},
		"UNLINK is forbidden":             {[]string{"user limited on +@all -unlink ~* >limited"}, "limited"},
		"no more is allowed than is used": {[]string{"user limited on +info +scan +unlink +select ~* >limited"}, "limited"},
		"INFO is forbidden":               {[]string{"user limited on +scan +unlink ~* >limited"}, "limited"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := env.StartRedis(t, tt.lines...)
			client := server.Open(t, 0)
			seed(t, client, kept...)
			want := content(t, client)
			seed(t, client, all(stale)...)
			s := settings(t, server)
			if tt.user != "" {
				s.User, s.Password = tt.user, reference(t, tt.user)
			}
			purged, err := newCache(t, s, false).Purge(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(sizes(stale), byPattern(purged, 0)); diff != "" {
				t.Errorf("purged (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(want, content(t, client)); diff != "" {
				t.Errorf("what is left (-want +got):\n%s", diff)
			}
		})
	}
}

// A connection that is cut while keys are deleted: what is said to be deleted
// is, and another purge deletes the rest.
func TestAPurgeThatWasCutOffMayBeRepeated(t *testing.T) {
	env := testbed.Need(t)
	server := env.StartRedis(t)
	client := server.Open(t, 0)
	keys := make([]string, 5000)
	for i := range keys {
		keys[i] = "USER_INFO:" + private + strings.Repeat("x", i%50) + time.Unix(int64(i), 0).UTC().Format(time.RFC3339)
	}
	seed(t, client, kept...)
	want := content(t, client)
	seed(t, client, keys...)
	way := network.New(t, server.Address, "downstream", network.ResetAll, 20_000)
	s := settings(t, server)
	s.Address = way.Address()
	c := newCache(t, s, false)
	counts, err := c.Purge(t.Context())
	if err == nil || !way.Struck() {
		t.Fatalf("no error where the network was cut (%t), and %v", way.Struck(), counts)
	}
	if e, ok := fault.Outermost(err); !ok || e.Kind != fault.Failed || strings.Contains(err.Error(), private) {
		t.Errorf("error %v, want a failure that quotes no key", err)
	}
	gone := int64(len(keys)+len(want)) - client.DBSize(t.Context()).Val()
	if said := byPattern(counts, 0)["USER_INFO:*"]; said > gone || gone == int64(len(keys)) {
		t.Errorf("%d of %d keys are said to be deleted, and %d are", said, len(keys), gone)
	}
	s.Address = server.Address
	again, err := newCache(t, s, false).Purge(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := byPattern(again, 0)["USER_INFO:*"]; got != int64(len(keys))-gone {
		t.Errorf("the second purge deleted %d keys, want the %d that were left", got, int64(len(keys))-gone)
	}
	if diff := cmp.Diff(want, content(t, client)); diff != "" {
		t.Errorf("what is left (-want +got):\n%s", diff)
	}
}

// Invariant 9.
func TestASilentServerDoesNotHoldAPurgeThatIsCancelled(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	c := newCache(t, cache.Settings{Name: "dragonfly", Address: listener.Addr().String()}, false)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err = c.Purge(ctx)
	if e, ok := fault.Outermost(err); !ok || e.Kind != fault.Failed || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Errorf("error %v, want a failure when the context ends", err)
	}
}
