package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openim-dr/openim-dr/internal/fault"
)

func TestOneDocument(t *testing.T) {
	refused := fault.New(fault.Refused, "restore", "it holds %d tables", 41).On("mysql/db:3306/a").Hint("--overwrite it")
	failure := map[string]any{"code": "refused", "doing": "restore", "target": "mysql/db:3306/a", "why": "it holds 41 tables", "try": "--overwrite it"}
	tests := map[string]struct {
		result any
		err    error
		want   any
	}{
		"a result":                      {map[string]int{"n": 1}, nil, map[string]any{"n": 1.0}},
		"an error":                      {nil, refused, map[string]any{"error": failure}},
		"an error in a result":          {map[string]string{"x": "<&>"}, refused, map[string]any{"x": "<&>", "error": failure}},
		"an error in an empty result":   {struct{}{}, refused, map[string]any{"error": failure}},
		"an error beside a list":        {[]int{1}, refused, map[string]any{"result": []any{1.0}, "error": failure}},
		"an error without a fault":      {nil, errors.New("no"), map[string]any{"error": map[string]any{"code": "failed", "doing": "", "target": "", "why": "no", "try": ""}}},
		"a fault below another message": {nil, fmt.Errorf("source main: %w", refused), map[string]any{"error": failure}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got any
			if err := json.Unmarshal([]byte(document(tt.result, tt.err)), &got); err != nil {
				t.Fatalf("not one JSON document: %v\n%s", err, document(tt.result, tt.err))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("document (-want +got):\n%s", diff)
			}
		})
	}
}

func TestExitCodeAndWords(t *testing.T) {
	tests := map[string]struct {
		err    error
		code   int
		stderr string
	}{
		"done":    {nil, 0, ""},
		"plain":   {errors.New("no\nroom"), 1, "error: no room\n"},
		"refused": {fault.New(fault.Refused, "restore", "it is full").Hint("empty it"), 4, "error: restore: it is full\nhint: empty it\n"},
		"the worst wins": {
			errors.Join(errors.New("timeout"), fault.New(fault.Corrupt, "read", "altered")), 3, "error: timeout read: altered\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if got := newPrinter(&stdout, &stderr).finish(tt.err); got != tt.code {
				t.Errorf("exit code %d, want %d", got, tt.code)
			}
			if diff := cmp.Diff(tt.stderr, stderr.String()); diff != "" {
				t.Errorf("stderr (-want +got):\n%s", diff)
			}
			if stdout.Len() > 0 {
				t.Errorf("stdout: %s", &stdout)
			}
		})
	}
}
