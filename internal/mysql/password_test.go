package mysql

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/openim-dr/openim-dr/internal/testbed"
	"github.com/openim-dr/openim-dr/internal/tlsmode"
)

// Without TLS a password crosses the wire only encrypted by the server's key,
// asked for or known.
func TestPasswordWithoutTLS(t *testing.T) {
	env := testbed.Need(t)
	db, schema := env.OpenMySQL(t), env.NewSchema(t)
	key := filepath.Join(t.TempDir(), "public_key.pem")
	r, err := queryRecord(t.Context(), db, "SHOW STATUS LIKE 'Caching_sha2_password_rsa_public_key'")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(key, r["value"], 0o600); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "other.pem")
	if err := os.WriteFile(other, []byte(otherPublicKey), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string]string{"asked for": "", "known": key} {
		t.Run(name, func(t *testing.T) {
			// An account that nobody has used yet proves the whole password.
			as := newAccount(t, db, env.MySQLAddress, reading, "", schema)
			got, err := cipher(t, newServer(t, as, func(s *Settings) { s.TLS, s.ServerPublicKey = tlsmode.Disabled, file }, schema))
			if err != nil || got != "" {
				t.Errorf("cipher %q, error %v, want a plain connection", got, err)
			}
		})
	}
	t.Run("of another server", func(t *testing.T) {
		as := newAccount(t, db, env.MySQLAddress, reading, "", schema)
		_, err := cipher(t, newServer(t, as, func(s *Settings) { s.TLS, s.ServerPublicKey = tlsmode.Disabled, other }, schema))
		requireRefusal(t, err, "or its password is wrong")
	})
}

// Of two plugins an account proves a password of its own, with and without TLS.
func TestPasswordPlugins(t *testing.T) {
	env := testbed.Need(t)
	db, schema := env.OpenMySQL(t), env.NewSchema(t)
	for _, plugin := range []string{"caching_sha2_password", "sha256_password"} {
		for _, mode := range []tlsmode.Mode{tlsmode.Disabled, tlsmode.Required} {
			as := newAccount(t, db, env.MySQLAddress, reading, "", schema)
			run(t, db, "ALTER USER '"+as.user+"'@'%' IDENTIFIED WITH "+plugin+" BY '"+as.password+"'")
			if _, err := cipher(t, newServer(t, as, func(s *Settings) { s.TLS = mode }, schema)); err != nil {
				t.Errorf("%s, tls %s: %v", plugin, mode, err)
			}
			_, err := cipher(t, newServer(t, account{as.address, as.user, "wrong"}, func(s *Settings) { s.TLS = mode }, schema))
			requireRefusal(t, err, "or its password is wrong")
		}
	}
}

// otherPublicKey belongs to no server.
const otherPublicKey = `-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA41WXK8bXOpK+ryzWqUR5
zYrictHXR2oM3VsGvyzd1BrjWBiaVtSs0BUWw3jkc2GtSHKokVyxoW2w62DiGBo4
m6o/sprXU0EsIGQ9MpJMI8gEwbCIF07o3fA7VkqqzMKNnYz6VrGWGnxpKQHYYiR1
ZfAGDNx5RyS37n6WkqLOr8ERow7YenRfR9AfAJ3P/G+fGP5bBwAEUajYIVzYHie9
fzMUiIC1zWcWka3xhhlraz1tnOpvzZLNHjkxvPKKuVyuyTuuCpbQWanm9hUVl484
YAsTzVqVCIDH5IPbJHJDghn9gCdW76IWo4ZPi1bgFb7F4GdrIRlkLq2bsfbCN1R7
qQIDAQAB
-----END PUBLIC KEY-----
`
