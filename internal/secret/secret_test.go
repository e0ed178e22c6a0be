package secret_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openim-dr/openim-dr/internal/secret"
)

func TestRefForms(t *testing.T) {
	tests := map[string]struct {
		text string
		ok   bool
	}{
		"a variable":                   {"env:MYSQL_PASSWORD", true},
		"a file":                       {"file:/etc/openim-dr/key", true},
		"nothing":                      {"", true},
		"a file with a colon in it":    {"file:/etc/a:b", true},
		"the secret itself":            {"hunter2", false},
		"a secret that has a colon":    {"hunter2:x", false},
		"a variable without a name":    {"env:", false},
		"a file without a path":        {"file:", false},
		"an unknown scheme":            {"vault:kv/x", false},
		"a scheme in capitals":         {"ENV:X", false},
		"a secret that begins with it": {"environment", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var r secret.Ref
			err := r.UnmarshalText([]byte(tt.text))
			if (err == nil) != tt.ok {
				t.Fatalf("got %v, want ok %v", err, tt.ok)
			}
			// Invariant 4: what was written in place of a reference may be the secret.
			if err != nil && (strings.Contains(err.Error(), "hunter2") || r != "") {
				t.Errorf("the error %q or the reference %q quotes the text", err, r)
			}
			if err == nil && r.IsZero() != (tt.text == "") {
				t.Errorf("zero is %v", r.IsZero())
			}
		})
	}
}

func TestResolve(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"plain": "s3cret", "line": "s3cret\r\n", "spaces": " s3 cret \n", "empty": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("OPENIM_DR_TEST_SET", "s3cret")
	t.Setenv("OPENIM_DR_TEST_EMPTY", "")
	tests := map[string]struct {
		ref  secret.Ref
		want string
		why  string // of an error
	}{
		"a variable":             {"env:OPENIM_DR_TEST_SET", "s3cret", ""},
		"an empty variable":      {"env:OPENIM_DR_TEST_EMPTY", "", ""},
		"a missing variable":     {"env:OPENIM_DR_TEST_MISSING", "", "OPENIM_DR_TEST_MISSING is not set"},
		"a file":                 {secret.Ref("file:" + dir + "/plain"), "s3cret", ""},
		"a file with a line end": {secret.Ref("file:" + dir + "/line"), "s3cret", ""},
		"spaces are part of it":  {secret.Ref("file:" + dir + "/spaces"), " s3 cret ", ""},
		"an empty file":          {secret.Ref("file:" + dir + "/empty"), "", ""},
		"a missing file":         {secret.Ref("file:" + dir + "/none"), "", "no such file"},
		"nothing":                {"", "", "env:NAME"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := tt.ref.Resolve()
			if tt.why != "" {
				if err == nil || !strings.Contains(err.Error(), tt.why) {
					t.Errorf("got %v, want %q", err, tt.why)
				}
				return
			}
			if err != nil || got != tt.want {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

func TestHold(t *testing.T) {
	ref, release := secret.Hold("s3cret")
	other, releaseOther := secret.Hold("other")
	defer releaseOther()
	if got, err := ref.Resolve(); got != "s3cret" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if strings.Contains(string(ref), "s3cret") { // Invariant 4
		t.Errorf("the reference %q holds the secret", ref)
	}
	if err := new(secret.Ref).UnmarshalText([]byte(ref)); err == nil {
		t.Error("a file may name it")
	}
	release()
	if got, err := ref.Resolve(); err == nil {
		t.Errorf("it was released, and is %q", got)
	}
	if got, err := other.Resolve(); got != "other" || err != nil {
		t.Errorf("the other one: got %q, %v", got, err)
	}
}
