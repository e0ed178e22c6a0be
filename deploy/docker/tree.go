package main

import (
	"archive/tar"
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// user is who the program runs as: nobody that another image or a node has.
const (
	user     = 65532
	userName = "nonroot"
)

// programPath and the others are where things are in the image.
const (
	programPath      = "usr/bin/openim-dr"
	certificatesPath = "etc/ssl/certs/ca-certificates.crt"
	sbomPath         = "usr/share/doc/openim-dr/sbom.cdx.json"
)

// entry is a file of the image, or a directory where its name ends in a slash.
type entry struct {
	name     string
	mode     int64
	contents []byte
	file     string // whose contents it has, instead of contents
}

// layers are the files of the image, what seldom changes first.
func (b *build) layers(sbom []byte) ([][]entry, error) {
	certificates, err := certificates()
	if err != nil {
		return nil, err
	}
	return [][]entry{
		{
			{name: "etc/", mode: 0o755},
			{name: "etc/group", mode: 0o644, contents: fmt.Appendf(nil, "root:x:0:\n%s:x:%d:\n", userName, user)},
			{name: "etc/passwd", mode: 0o644, contents: fmt.Appendf(nil, "root:x:0:0:root:/:/none\n%s:x:%d:%d:openim-dr:/tmp:/none\n", userName, user, user)},
			{name: "etc/ssl/", mode: 0o755},
			{name: "etc/ssl/certs/", mode: 0o755},
			{name: certificatesPath, mode: 0o644, contents: certificates},
			{name: "tmp/", mode: 0o1777},
			{name: "usr/", mode: 0o755},
			{name: "usr/bin/", mode: 0o755},
			{name: "usr/share/", mode: 0o755},
			{name: "usr/share/doc/", mode: 0o755},
			{name: "usr/share/doc/openim-dr/", mode: 0o755},
		},
		{
			{name: programPath, mode: 0o755, file: b.binary},
			{name: sbomPath, mode: 0o644, contents: sbom},
		},
	}, nil
}

// certificates is the list of the authorities that Mozilla trusts, as the Go project
// distributes it, in the form that every TLS library reads. Those that are trusted for
// some certificates alone are left out: a list of certificates cannot say for which.
func certificates() ([]byte, error) {
	var list bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint != nil {
			continue
		}
		if err := pem.Encode(&list, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			return nil, err
		}
	}
	return list.Bytes(), nil
}

// open returns what a file holds, and its length.
func (e entry) open() (io.ReadCloser, int64, error) {
	if e.file == "" {
		return io.NopCloser(bytes.NewReader(e.contents)), int64(len(e.contents)), nil
	}
	file, err := os.Open(e.file)
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, info.Size(), nil
}

func (e entry) isDirectory() bool { return e.name[len(e.name)-1] == '/' }

// writeTar writes a layer, uncompressed.
func (b *build) writeTar(to io.Writer, layer []entry) error {
	w := tar.NewWriter(to)
	for _, e := range layer {
		if err := b.writeEntry(w, e); err != nil {
			return fmt.Errorf("write %s: %w", e.name, err)
		}
	}
	return w.Close()
}

func (b *build) writeEntry(w *tar.Writer, e entry) (err error) {
	header := &tar.Header{Name: e.name, Mode: e.mode, ModTime: b.made, Typeflag: tar.TypeReg, Format: tar.FormatPAX}
	if e.isDirectory() {
		header.Typeflag = tar.TypeDir
		return w.WriteHeader(header)
	}
	contents, size, err := e.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, contents.Close()) }()
	header.Size = size
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(w, contents)
	return err
}

// unpack puts the files of all layers into a directory.
func unpack(dir string, layers [][]entry) error {
	for _, layer := range layers {
		for _, e := range layer {
			if err := unpackEntry(filepath.Join(dir, filepath.FromSlash(e.name)), e); err != nil {
				return err
			}
		}
	}
	return nil
}

func unpackEntry(path string, e entry) (err error) {
	if e.isDirectory() {
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
		mode := os.FileMode(e.mode & 0o777)
		if e.mode&0o1000 != 0 {
			mode |= os.ModeSticky
		}
		return os.Chmod(path, mode) // whatever the umask of who builds
	}
	contents, _, err := e.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, contents.Close()) }()
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, os.FileMode(e.mode))
	if err != nil {
		return err
	}
	_, err = io.Copy(file, contents)
	return errors.Join(err, file.Close())
}
