package seal

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"filippo.io/age"
)

// Sizes are how many bytes a wrap may have. They follow from what is in it and
// from the class of its recipient, so that a wrap that was cut or padded is
// known without its key.
type Sizes []int64

// Has reports whether a wrap may be so large.
func (s Sizes) Has(size int64) bool { return slices.Contains(s, size) }

// Smallest returns the smallest of them.
func (s Sizes) Smallest() int64 { return slices.Min(s) }

// String lists them.
func (s Sizes) String() string {
	texts := make([]string, len(s))
	for i, size := range s {
		texts[i] = fmt.Sprint(size)
	}
	return strings.Join(texts, " or ") + " bytes"
}

// WrapSizes are those of a wrapped run key.
func WrapSizes() Sizes { return wrapSizes() }

// DigestKeyWrapSizes are those of a wrapped digest key.
func DigestKeyWrapSizes() Sizes { return digestKeyWrapSizes() }

var (
	wrapSizes = sync.OnceValue(func() Sizes {
		return measure(func(id Identity) ([]byte, error) { return id.Wrap(id.Recipient()) })
	})
	digestKeyWrapSizes = sync.OnceValue(func() Sizes {
		return measure(func(id Identity) ([]byte, error) { return Encrypt(make([]byte, len(DigestKey{})), id.Recipient()) })
	})
)

// measure makes a wrap of either class and looks how large it is.
func measure(wrap func(Identity) ([]byte, error)) Sizes {
	sizes := Sizes{}
	for _, postQuantum := range []bool{false, true} {
		id, err := GenerateIdentity(postQuantum)
		if err != nil {
			panic(err) // only for want of random numbers
		}
		wrapped, err := wrap(id)
		if err != nil {
			panic(err) // writes to memory
		}
		sizes = append(sizes, int64(len(wrapped)))
	}
	return sizes
}

// CheckWrap looks at the form of a wrap: an age file for one recipient. Whether
// it opens, only who holds the identity can tell.
func CheckWrap(wrapped []byte) error {
	header, err := age.ExtractHeader(bytes.NewReader(wrapped))
	if err != nil {
		return errors.New("something that is no age file")
	}
	if n := bytes.Count(header, []byte("\n-> ")); n != 1 {
		return fmt.Errorf("an age file for %d recipients", n)
	}
	return nil
}
