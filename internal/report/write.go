package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// Formats are the endings of names that say how a report is written.
const (
	jsonEnding = ".json"
	htmlEnding = ".html"
)

// Prepare fails where a report could not be written to path. It is asked before
// the run: afterwards nobody can run it again for its report.
func Prepare(path string) error {
	if _, err := formatOf(path); err != nil {
		return err
	}
	info, err := os.Stat(filepath.Dir(path))
	switch {
	case err != nil:
		return unwritable(path, err)
	case !info.IsDir():
		return unwritable(path, errors.New("it is not in a directory"))
	}
	// The same kind of file in the same place: rights and free space count.
	probe, err := os.CreateTemp(filepath.Dir(path), temporaryName)
	if err != nil {
		return unwritable(path, err)
	}
	if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
		return unwritable(path, err)
	}
	return nil
}

// Write writes the report in the format that the ending of path names. The
// file is there whole or as it was before, and only its owner can read it: it
// holds names of tables, objects and accounts.
func Write(path string, r *Report) error {
	return write(path, func() ([]byte, error) { return JSON(r) }, func() ([]byte, error) { return HTML(r) })
}

func write(path string, asJSON, asHTML func() ([]byte, error)) error {
	format, err := formatOf(path)
	if err != nil {
		return err
	}
	render := asJSON
	if format == htmlEnding {
		render = asHTML
	}
	content, err := render()
	if err != nil {
		return fmt.Errorf("write report %s: %w", path, err)
	}
	if err := replace(path, content); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

func formatOf(path string) (ending string, err error) {
	switch ending = strings.ToLower(filepath.Ext(path)); ending {
	case jsonEnding, htmlEnding:
		return ending, nil
	default:
		return "", fault.New(fault.Usage, "choose a report", "%s ends in neither %s nor %s", path, jsonEnding, htmlEnding).
			Hint("--report FILE%s for programs, --report FILE%s for people", jsonEnding, htmlEnding)
	}
}

func unwritable(path string, err error) error {
	return fault.New(fault.Usage, "prepare the report", "%w", err).On(path).Hint("give --report a file in a directory that exists and can be written to")
}

// JSON returns the report as one document.
func JSON(r *Report) ([]byte, error) { return document(whole(r)) }

// document writes JSON so that people can read it, too.
func document(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// whole returns the report with empty lists where there are none: a reader
// need not tell them from what is missing. Times are UTC.
func whole(r *Report) *Report {
	c := *r
	c.Began, c.Ended = c.Began.UTC(), c.Ended.UTC()
	c.Points = list(c.Points)
	c.Sources = list(c.Sources)
	c.Steps = list(c.Steps)
	c.Checks = list(c.Checks)
	c.Warnings = list(c.Warnings)
	c.Deviations = list(c.Deviations)
	c.Overwritten = list(c.Overwritten)
	c.Workloads = list(c.Workloads)
	for i := range c.Points {
		c.Points[i].Time = c.Points[i].Time.UTC()
	}
	for i := range c.Sources {
		s := &c.Sources[i]
		s.Items = list(s.Items)
		s.Differences = list(s.Differences)
		s.Deviations = list(s.Deviations)
	}
	return &c
}

// list returns a copy that is never nil.
func list[T any](items []T) []T { return append([]T{}, items...) }

const temporaryName = ".openim-dr-report-*"

// replace puts content in the place of path, by way of a temporary file beside it.
func replace(path string, content []byte) (err error) {
	temporary, err := os.CreateTemp(filepath.Dir(path), temporaryName) // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(temporary.Name()))
		}
	}()
	_, err = temporary.Write(content)
	if err == nil {
		err = temporary.Sync()
	}
	if err = errors.Join(err, temporary.Close()); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}
