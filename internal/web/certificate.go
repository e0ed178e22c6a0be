package web

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Certificate is a certificate and its key in files that may be exchanged while it is
// used. It is safe for concurrent use.
type Certificate struct {
	certificate, key string
	log              *slog.Logger

	mu     sync.Mutex
	stamps [2]stamp
	loaded *tls.Certificate
	said   string
}

// stamp tells whether a file is another one than before.
type stamp struct {
	modified time.Time
	size     int64
}

// LoadCertificate reads a certificate with its chain, and its key, both in PEM.
func LoadCertificate(certificate, key string, log *slog.Logger) (*Certificate, error) {
	c := &Certificate{certificate: certificate, key: key, log: log}
	return c, c.read()
}

// Config is what a server needs.
func (c *Certificate) Config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}
}

// get reads the files again where they have changed. As long as they do not fit each
// other, as in the middle of an exchange, the pair before stays.
func (c *Certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.read()
	switch {
	case err == nil:
		c.said = ""
	case c.said != err.Error():
		c.said = err.Error()
		c.log.Warn("the certificate cannot be read again, and the one before stays", "error", err)
	}
	return c.loaded, nil
}

func (c *Certificate) read() error {
	var now [2]stamp
	for i, path := range []string{c.certificate, c.key} {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		now[i] = stamp{info.ModTime(), info.Size()}
	}
	if c.loaded != nil && now == c.stamps {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(c.certificate, c.key)
	var path *fs.PathError
	switch {
	case errors.As(err, &path):
		return err
	case err != nil:
		return fmt.Errorf("certificate %s and key %s: %w", c.certificate, c.key, err) // it quotes neither
	}
	c.loaded, c.stamps = &pair, now
	return nil
}
