package main

import (
	"bytes"
	"io"
	"os"
	"strings"

	"github.com/openim-dr/openim-dr/internal/bucket"
	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/source"
)

// addObjects shares the objects that a file lists out to their sources.
func addObjects(chosen map[string]source.Selection, targets []config.Source, path string, stdin io.Reader) error {
	if path == "" {
		return nil
	}
	objects, err := readObjects(path, stdin)
	if err != nil {
		return err
	}
	if len(objects) == 0 {
		return usage("read --objects "+path, "it lists nothing")
	}
	kinds := map[string]string{}
	for _, t := range targets {
		kinds[t.Name] = t.Kind
	}
	for i, object := range objects {
		name, rest, _ := strings.Cut(object, "/")
		_, key, _ := strings.Cut(rest, "/")
		if kinds[name] != bucket.Kind || key == "" {
			return usage("read --objects "+path, "entry %d, %q, is no SOURCE/BUCKET/KEY of a source of buckets that is restored", i+1, object)
		}
		s := chosen[name]
		s.Objects = append(s.Objects, rest)
		chosen[name] = s
	}
	return nil
}

// readObjects reads a list from a file, or from stdin where path is "-".
func readObjects(path string, stdin io.Reader) ([]string, error) {
	read := func() ([]byte, error) { return os.ReadFile(path) }
	if path == "-" {
		read = func() ([]byte, error) { return io.ReadAll(stdin) }
	}
	data, err := read()
	if err != nil {
		return nil, usage("read --objects", "%w", err)
	}
	// A key may hold line breaks, and no NUL that servers would take.
	end := "\n"
	if bytes.IndexByte(data, 0) >= 0 {
		end = "\x00"
	}
	var objects []string
	for object := range strings.SplitSeq(string(data), end) {
		if object != "" {
			objects = append(objects, object)
		}
	}
	return objects, nil
}
