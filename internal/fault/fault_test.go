package fault_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/openim-dr/openim-dr/internal/fault"
)

func TestKindOf(t *testing.T) {
	busy := fault.New(fault.Busy, "take lease", "held")
	corrupt := fault.New(fault.Corrupt, "read", "altered")
	tests := map[string]struct {
		err  error
		want fault.Kind
		exit int
	}{
		"success":                           {nil, fault.Failed, 1},
		"an error that says nothing":        {io.ErrUnexpectedEOF, fault.Failed, 1},
		"usage":                             {fault.New(fault.Usage, "open", "no key"), fault.Usage, 2},
		"corrupt":                           {corrupt, fault.Corrupt, 3},
		"refused":                           {fault.New(fault.Refused, "restore", "occupied"), fault.Refused, 4},
		"busy":                              {busy, fault.Busy, 5},
		"wrapped":                           {fmt.Errorf("back up: %w", busy), fault.Busy, 5},
		"the worst of several":              {errors.Join(busy, io.EOF, fmt.Errorf("x: %w", corrupt)), fault.Corrupt, 3},
		"worse inside":                      {fault.New(fault.Failed, "restore", "load: %w", corrupt), fault.Corrupt, 3},
		"better inside":                     {fault.New(fault.Corrupt, "restore", "load: %w", busy), fault.Corrupt, 3},
		"two causes in one message":         {fault.New(fault.Failed, "restore", "%w and %w", busy, corrupt), fault.Corrupt, 3},
		"refused counts more than usage":    {errors.Join(fault.New(fault.Usage, "a", "b"), fault.New(fault.Refused, "a", "b")), fault.Refused, 4},
		"one that could pass counts least":  {errors.Join(fault.New(fault.Failed, "a", "b"), busy), fault.Busy, 5},
		"corrupt counts more than anything": {errors.Join(corrupt, fault.New(fault.Refused, "a", "b"), busy), fault.Corrupt, 3},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := fault.KindOf(tt.err)
			if got != tt.want || got.ExitCode() != tt.exit {
				t.Errorf("got %v (exit %d), want %v (exit %d)", got, got.ExitCode(), tt.want, tt.exit)
			}
		})
	}
}

func TestErrorText(t *testing.T) {
	tests := map[string]struct {
		err        *fault.Error
		text, hint string
	}{
		"all parts":        {fault.New(fault.Refused, "restore point x into", "schema %q holds %d tables", "s", 41).On("mysql h:3306").Hint("--overwrite %s", "y"), `restore point x into mysql h:3306: schema "s" holds 41 tables`, "--overwrite y"},
		"no target":        {fault.New(fault.Usage, "open key", "none opens it"), "open key: none opens it", ""},
		"with a cause":     {fault.New(fault.Failed, "read", "%w", io.ErrUnexpectedEOF), "read: unexpected EOF", ""},
		"reason and cause": {&fault.Error{Doing: "read", Why: "it is short", Err: io.EOF}, "read: it is short: EOF", ""},
		"only a reason":    {&fault.Error{Why: "it is short"}, "it is short", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tt.err.Error(); got != tt.text || tt.err.Try != tt.hint {
				t.Errorf("got %q, hint %q; want %q, hint %q", got, tt.err.Try, tt.text, tt.hint)
			}
		})
	}
}

func TestCausesAreFound(t *testing.T) {
	err := fmt.Errorf("back up: %w", fault.New(fault.Failed, "read", "lost: %w", io.ErrUnexpectedEOF).On("x"))
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error("the cause is lost")
	}
	if e, ok := fault.Outermost(err); !ok || e.Target != "x" {
		t.Errorf("got %v, %v", e, ok)
	}
	if _, ok := fault.Outermost(io.EOF); ok {
		t.Error("a plain error is a fault")
	}
}
