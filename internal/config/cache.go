package config

import (
	"net"
	"slices"

	"github.com/openim-dr/openim-dr/internal/secret"
	"github.com/openim-dr/openim-dr/internal/tlsmode"
)

// Cache is a Redis or Dragonfly from which `restore --purge-caches` deletes what
// is stale after a restore.
type Cache struct {
	Name      string     `yaml:"name" jsonschema_description:"name of the cache in plans and messages"`
	Address   string     `yaml:"address" jsonschema_description:"HOST:PORT of the server, or of any node of a cluster"`
	User      string     `yaml:"user,omitempty" jsonschema_description:"user of the server's access control list; without it the default one"`
	Password  secret.Ref `yaml:"password,omitempty" jsonschema_description:"env:NAME or file:PATH"`
	TLS       string     `yaml:"tls,omitempty" jsonschema:"enum=disabled,enum=required,enum=verify-ca,enum=verify-identity,enum=verify" jsonschema_description:"disabled (default), required, verify-ca (default with tlsCA) or verify-identity (also spelled verify)"`
	TLSCA     string     `yaml:"tlsCA,omitempty" jsonschema_description:"PEM file with the authorities to trust; without it the system's"`
	TLSCert   string     `yaml:"tlsCert,omitempty" jsonschema_description:"PEM file with the certificate to show to the server; needs tlsKey"`
	TLSKey    string     `yaml:"tlsKey,omitempty" jsonschema_description:"PEM file with the private key of tlsCert, without a passphrase"`
	Databases []int      `yaml:"databases,omitempty" jsonschema_description:"numbers of the logical databases that OpenIM uses; default 0"`
}

func (d *decoder) validateCaches(caches []Cache) {
	for i, c := range caches {
		key := element("caches", i)
		switch {
		case c.Name == "":
			d.problem(key, "a cache needs a name")
		case slices.ContainsFunc(caches[:i], func(other Cache) bool { return other.Name == c.Name }):
			d.problem(child(key, "name"), "another cache has the same name")
		}
		if host, port, err := net.SplitHostPort(c.Address); err != nil || host == "" || port == "" {
			d.problem(child(key, "address"), "it is not HOST:PORT")
		}
		if c.User != "" && c.Password.IsZero() {
			d.problem(child(key, "user"), "it needs a password beside it")
		}
		secured := tlsmode.Settings{TLS: tlsmode.Mode(c.TLS), CA: c.TLSCA, Cert: c.TLSCert, Key: c.TLSKey}
		if wrong := secured.Check(tlsmode.Disabled); wrong != nil {
			d.problem(child(key, wrong.Key), "%s", wrong.Why)
		}
		for j, database := range c.Databases {
			if database < 0 || slices.Contains(c.Databases[:j], database) {
				d.problem(element(child(key, "databases"), j), "it is not a number of a database, each once")
			}
		}
	}
}
