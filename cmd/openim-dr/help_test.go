package main

import (
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestEveryVerbExplainsItself(t *testing.T) {
	a := newApp(strings.NewReader(""), io.Discard, io.Discard)
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
		if !cmd.HasParent() || cmd.HasSubCommands() {
			return
		}
		t.Run(strings.ReplaceAll(cmd.CommandPath(), " ", "_"), func(t *testing.T) {
			if !strings.Contains(cmd.Example, cmd.CommandPath()) {
				t.Error("help has no example")
			}
			if !strings.Contains(cmd.Long, "Exit codes:") {
				t.Error("help does not list the exit codes")
			}
		})
	}
	visit(newRoot(a))
}
