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
//
// What does not verify is read once more: bytes that changed on their way are
// then right, and those that are stored wrongly are not. Otherwise a passing
// fault would make a point look like a forgery, and the one before it like the
// latest.
func readSigned(ctx context.Context, store storage.Reader, path string, trust seal.Trust, claimed func([]byte) time.Time, roles ...seal.Role) (*signedFile, error) {
	f, err := readSignedOnce(ctx, store, path, trust, claimed, roles)
	if err != nil || f.untrusted == nil || trust.Empty() {
		return f, err
	}
	return readSignedOnce(ctx, store, path, trust, claimed, roles)
}

func readSignedOnce(ctx context.Context, store storage.Reader, path string, trust seal.Trust, claimed func([]byte) time.Time, roles []seal.Role) (*signedFile, error) {
	data, err := storage.Get(ctx, store, path, maxPlain)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	signature, err := storage.Get(ctx, store, path+signatureSuffix, 64<<10)
	if err != nil && !errors.Is(err, storage.ErrNotExist) {
		return nil, fmt.Errorf("read %s: %w", path+signatureSuffix, err)
	}
	f := &signedFile{data: data, signature: signature}
	for _, role := range roles {
		if f.signer, f.untrusted = trust.Verify(role, data, signature, claimed(data)); f.untrusted == nil {
			break
		}
	}
	return f, nil
}
