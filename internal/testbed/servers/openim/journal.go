package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// entry is what a store has acknowledged.
type entry struct {
	Time    time.Time `json:"time"` // when it was acknowledged
	Kind    string    `json:"kind"` // row or object
	ID      string    `json:"id"`
	Content string    `json:"content"` // of a row; the hash of an object
}

// journal is a file of one process, which outlives it and all of its namespace.
type journal struct{ file *os.File }

func openJournal(dir string) (*journal, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(dir, host+".jsonl"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	return &journal{file}, err
}

func (j *journal) add(e entry) error {
	e.Time = time.Now().UTC()
	return json.NewEncoder(j.file).Encode(e)
}

// readJournals calls for each entry of all processes.
func readJournals(dir string, each func(entry) error) error {
	paths, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		if err := readJournal(path, each); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

func readJournal(path string, each func(entry) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var e entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			continue // the last line of a process that was killed
		}
		if err := each(e); err != nil {
			return err
		}
	}
	return lines.Err()
}
