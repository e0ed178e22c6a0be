package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// result is what an audit prints.
type result struct {
	Rows    int      `json:"rows"` // that were looked for
	Objects int      `json:"objects"`
	Lost    []string `json:"lost"` // what is gone or altered, and how
}

// audit looks in the stores for all that was acknowledged before a time.
func audit(ctx context.Context, s *stores, before time.Time) error {
	found := result{Lost: []string{}}
	err := readJournals(s.journal, func(e entry) error {
		if !e.Time.Before(before) {
			return nil
		}
		look, count := s.message, &found.Rows
		if e.Kind == "object" {
			look, count = s.picture, &found.Objects
		}
		*count++
		got, err := look(ctx, e.ID)
		switch {
		case err != nil:
			found.Lost = append(found.Lost, fmt.Sprintf("%s %s: %v", e.Kind, e.ID, err))
		case got != e.Content:
			found.Lost = append(found.Lost, fmt.Sprintf("%s %s: got %q, want %q", e.Kind, e.ID, got, e.Content))
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(found)
}
