package mysql

import (
	"testing"

	"github.com/openim-dr/openim-dr/internal/testbed"
)

// A server is known again by whatever address, and told from another one.
func TestServersAreToldApart(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	identity := func(as account) string {
		id, err := newServer(t, as, nil, "any").ServerID(t.Context())
		if err != nil || id == "" {
			t.Fatalf("got %q, %v", id, err)
		}
		return id
	}
	other := env.StartMySQL(t)
	one, two := identity(rootOf(env)), identity(account{other.Address, other.User, other.Password})
	if one == two || identity(rootOf(env)) != one {
		t.Errorf("one is %s, the other one %s", one, two)
	}
	other.Restart(t)
	if again := identity(account{other.Address, other.User, other.Password}); again != two {
		t.Errorf("started again it is %s, and was %s", again, two)
	}
}
