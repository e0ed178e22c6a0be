package repository

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// marshal writes JSON as it stands in a repository: indented, since people
// read it, without escaping for HTML.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("write JSON: %w", err)
	}
	return b.Bytes(), nil
}

// putPlain creates a plain JSON file.
func putPlain(ctx context.Context, store storage.Writer, path string, v any) ([]byte, error) {
	data, err := marshal(v)
	if err != nil {
		return nil, err
	}
	if _, err := storage.Put(ctx, store, path, data); err != nil {
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	return data, nil
}

// putSigned creates a signed file: the signature first, so that whatever
// exists under path has been signed.
func putSigned(ctx context.Context, store storage.Writer, path string, v any, signer seal.Signer) error {
	data, err := marshal(v)
	if err != nil {
		return err
	}
	return putSignedBytes(ctx, store, path, data, signer)
}

func putSignedBytes(ctx context.Context, store storage.Writer, path string, data []byte, signer seal.Signer) error {
	signature, err := signer.Sign(data, path)
	if err != nil {
		return err
	}
	if _, err := storage.Put(ctx, store, path+signatureSuffix, signature); err != nil {
		return fmt.Errorf("write %s: %w", path+signatureSuffix, err)
	}
	if _, err := storage.Put(ctx, store, path, data); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// signedFile is a file and what its signature is worth.
type signedFile struct {
	data      []byte
	signature []byte
	signer    string // public key of the trusted signer, or empty
	untrusted error  // why no trusted signature counts; nil where one does
}

// readSigned reads a file and the signature beside it. claimed finds the time
// that the file gives itself, zero where it cannot; any of the roles will do.
func readSigned(ctx context.Context, store storage.Reader, path string, trust seal.Trust, claimed func([]byte) time.Time, roles ...seal.Role) (*signedFile, error) {
	return signedReader{store: store, trust: trust, claimed: claimed, roles: roles}.read(ctx, path)
}

// signedReader is readSigned, bit by bit.
type signedReader struct {
	store   storage.Reader
	trust   seal.Trust
	claimed func([]byte) time.Time
	roles   []seal.Role
	// alone, unless nil, reports whether a file has no signature beside it. Such a
	// file is untrusted.
	alone func([]byte) bool
}

// errAlone: whoever wants to know must look into the file.
var errAlone = errors.New("it has no signature beside it")

// read reads one. What does not verify is read once more: bytes that changed on
// their way are then right, and those that are stored wrongly are not. Otherwise a
// passing fault would make a point look like a forgery, and the one before it like
// the latest.
func (r signedReader) read(ctx context.Context, path string) (*signedFile, error) {
	f, err := r.once(ctx, path)
	if err != nil || f.untrusted == nil || errors.Is(f.untrusted, errAlone) || r.trust.Empty() {
		return f, err
	}
	return r.once(ctx, path)
}

func (r signedReader) once(ctx context.Context, path string) (*signedFile, error) {
	data, err := storage.Get(ctx, r.store, path, maxPlain)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if r.alone != nil && r.alone(data) {
		return &signedFile{data: data, untrusted: errAlone}, nil
	}
	signature, err := storage.Get(ctx, r.store, path+signatureSuffix, 64<<10)
	if err != nil && !errors.Is(err, storage.ErrNotExist) {
		return nil, fmt.Errorf("read %s: %w", path+signatureSuffix, err)
	}
	f := &signedFile{data: data, signature: signature}
	for _, role := range r.roles {
		if f.signer, f.untrusted = r.trust.Verify(role, data, signature, r.claimed(data)); f.untrusted == nil {
			break
		}
	}
	return f, nil
}
