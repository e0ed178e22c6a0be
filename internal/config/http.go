package config

import "github.com/openim-dr/openim-dr/internal/secret"

// HTTP guards what a daemon shows. Probes are answered to everybody.
type HTTP struct {
	Token       secret.Ref `yaml:"token,omitempty" jsonschema_description:"without it everybody who reaches the address may look; at least 16 characters, as a Bearer or as a password: file:PATH or env:NAME"`
	Certificate secret.Ref `yaml:"certificate,omitempty" jsonschema_description:"certificate with its chain, for TLS: file:PATH in PEM, read again when it changes"`
	Key         secret.Ref `yaml:"key,omitempty" jsonschema_description:"private key of the certificate: file:PATH in PEM"`
}

// HTTP is who may look at what a daemon shows.
func (c *Config) HTTP() HTTP {
	if c.Daemon == nil {
		return HTTP{}
	}
	return c.Daemon.HTTP
}

func (d *decoder) validateHTTP(h HTTP) {
	if h.Certificate.IsZero() != h.Key.IsZero() {
		d.problem("daemon.http", "TLS takes a certificate and a key")
	}
	for key, ref := range map[string]secret.Ref{"certificate": h.Certificate, "key": h.Key} {
		if _, file := ref.Path(); !ref.IsZero() && !file {
			d.problem("daemon.http."+key, "it is read again when it changes, and so it has to be a file: file:PATH")
		}
	}
}
