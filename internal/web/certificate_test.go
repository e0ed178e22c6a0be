package web

import (
	"bytes"
	"crypto/tls"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/openim-dr/openim-dr/internal/testbed"
)

// A certificate is exchanged while it is used. As long as its files do not fit each
// other the one before stays, and that is said once.
func TestCertificateIsReadAgain(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	testbed.Certify(t, dir)
	testbed.Certify(t, other)
	file := func(dir, name string) string { return filepath.Join(dir, name) }
	var log bytes.Buffer
	c, err := LoadCertificate(file(dir, "tls.crt"), file(dir, "tls.key"), slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	config := c.Config()
	if config.MinVersion != tls.VersionTLS12 {
		t.Errorf("the least version is %x", config.MinVersion)
	}
	served := func() []byte {
		t.Helper()
		pair, err := config.GetCertificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		return pair.Certificate[0]
	}
	first := served()
	key, err := os.ReadFile(file(other, "tls.key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file(dir, "tls.key"), key, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if !slices.Equal(served(), first) {
			t.Error("a key that does not fit has taken the certificate away")
		}
	}
	if n := bytes.Count(log.Bytes(), []byte("the one before stays")); n != 1 {
		t.Errorf("it was said %d times:\n%s", n, &log)
	}
	testbed.Certify(t, dir)
	if slices.Equal(served(), first) {
		t.Error("the new certificate is not served")
	}
	if _, err := LoadCertificate(file(dir, "tls.crt"), file(other, "tls.key"), slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a key that does not fit is taken at the start")
	}
}
