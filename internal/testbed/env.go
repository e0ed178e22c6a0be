package testbed

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Env holds the addresses and credentials of a running testbed.
type Env struct {
	MySQLAddress        string // host:port
	MySQLUser           string
	MySQLPassword       string
	MySQLImage          string
	MySQLContainer      string
	S3Endpoint          string // http://host:port
	S3Domain            string // also reached as bucket.domain, which no DNS knows
	S3AccessKey         string
	S3SecretKey         string
	S3Bucket            string // there already
	VersitygwEndpoint   string // http://host:port; takes the same keys
	SeaweedFSImage      string // its entry point is weed
	StorageEmulatorHost string // http://host:port
	GCSBucket           string // there already
	Kubeconfig          string // path
	Helm                string // path of the program
	RedisAddress        string // host:port
	RedisPassword       string
	RedisServer         string // path of the program
	ToolsImage          string // stock tools of Debian, with which a point is restored by hand
	Chromium            string // path of the program

	label string // of containers that `make testbed-down` removes
}

// Need returns the running testbed, or skips the test where none runs.
func Need(t testing.TB) *Env {
	t.Helper()
	path, err := find("env")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("testbed is not running: make testbed")
	}
	if err != nil {
		t.Fatalf("find the testbed: %v", err)
	}
	env, err := read(path)
	if err != nil {
		t.Fatalf("read %s: %v", path, err)
	}
	return env
}

// find looks for a file in .testbed from the working directory upwards.
func find(name string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		path := filepath.Join(dir, ".testbed", name)
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return path, err
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fs.ErrNotExist
		}
		dir = parent
	}
}

// read reads the addresses of a testbed.
func read(path string) (*Env, error) {
	env := &Env{}
	return env, readValues(path, map[string]*string{
		"MYSQL_ADDRESS":         &env.MySQLAddress,
		"MYSQL_USER":            &env.MySQLUser,
		"MYSQL_PASSWORD":        &env.MySQLPassword,
		"MYSQL_IMAGE":           &env.MySQLImage,
		"MYSQL_CONTAINER":       &env.MySQLContainer,
		"S3_ENDPOINT":           &env.S3Endpoint,
		"S3_DOMAIN":             &env.S3Domain,
		"S3_ACCESS_KEY":         &env.S3AccessKey,
		"S3_SECRET_KEY":         &env.S3SecretKey,
		"S3_BUCKET":             &env.S3Bucket,
		"VERSITYGW_ENDPOINT":    &env.VersitygwEndpoint,
		"SEAWEEDFS_IMAGE":       &env.SeaweedFSImage,
		"STORAGE_EMULATOR_HOST": &env.StorageEmulatorHost,
		"GCS_BUCKET":            &env.GCSBucket,
		"KUBECONFIG":            &env.Kubeconfig,
		"HELM":                  &env.Helm,
		"REDIS_ADDRESS":         &env.RedisAddress,
		"REDIS_PASSWORD":        &env.RedisPassword,
		"REDIS_SERVER":          &env.RedisServer,
		"TOOLS_IMAGE":           &env.ToolsImage,
		"CHROMIUM":              &env.Chromium,
		"TESTBED_LABEL":         &env.label,
	})
}

// readValues reads NAME=value lines. All names must be there; more may be.
func readValues(path string, fields map[string]*string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	values := map[string]string{}
	for line := range strings.Lines(string(data)) {
		name, value, _ := strings.Cut(strings.TrimRight(line, "\n"), "=")
		values[name] = value
	}
	for name, field := range fields {
		if values[name] == "" {
			return fmt.Errorf("no %s in it: take the testbed down and up again", name)
		}
		*field = values[name]
	}
	return nil
}

// unique returns a name that nothing else has: lower case, letters, digits and
// the given separator, so that it is good for anything that wants a name.
func unique(separator string) string {
	return "test" + separator + strings.ToLower(rand.Text()[:12])
}
