// Package secret refers to secrets without holding them: configuration names
// where a secret lives, and it is read at the moment of use.
package secret

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
)

// Ref says where a secret is found: "env:NAME" or "file:PATH". The zero Ref
// refers to nothing. A Ref is no secret itself and may be printed.
type Ref string

// errForm never quotes the text: a secret written in place of a reference
// must not end up in a log.
var errForm = errors.New(`a secret is given as "env:NAME" or "file:PATH", never in the file itself`)

// UnmarshalText accepts the two forms and the empty string.
func (r *Ref) UnmarshalText(text []byte) error {
	s := string(text)
	scheme, rest, found := strings.Cut(s, ":")
	if s != "" && (!found || rest == "" || scheme != "env" && scheme != "file") {
		return errForm
	}
	*r = Ref(s)
	return nil
}

// IsZero reports whether r refers to nothing.
func (r Ref) IsZero() bool { return r == "" }

// Path returns the file that r names, if it names one.
func (r Ref) Path() (path string, ok bool) { return strings.CutPrefix(string(r), "file:") }

// held are secrets of this process's own making, by Ref.
var held sync.Map

// Hold keeps a secret that this process has made itself, in memory alone, and
// returns a Ref to it, which no file can name. It is forgotten with release.
func Hold(value string) (ref Ref, release func()) {
	ref = Ref("held:" + rand.Text())
	held.Store(ref, value)
	return ref, func() { held.Delete(ref) }
}

// Resolve reads the secret. A trailing line break of a file is not part of
// it. A variable that is not set is an error, an empty one is an empty secret.
func (r Ref) Resolve() (string, error) {
	if name, ok := strings.CutPrefix(string(r), "env:"); ok {
		value, found := os.LookupEnv(name)
		if !found {
			return "", fmt.Errorf("environment variable %s is not set", name)
		}
		return value, nil
	}
	if value, ok := held.Load(r); ok {
		return value.(string), nil // Hold alone stores
	}
	path, ok := r.Path()
	if !ok {
		return "", errForm
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	return strings.TrimRight(string(data), "\r\n"), nil
}
