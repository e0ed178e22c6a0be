package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	tea "charm.land/bubbletea/v2"
	"charm.land/huh/v2"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// question asks one question on the terminal; the answer is where the field
// puts it. Who leaves with Ctrl-C, or closes the terminal, declines.
func (a *app) question(ctx context.Context, field huh.Field) error {
	form := huh.NewForm(huh.NewGroup(field)).WithTheme(huh.ThemeFunc(plainTheme)).WithProgramOptions(tea.WithFilter(leaveInPeace)).WithOutput(a.console.stderr)
	if inLines() {
		return a.questionInLines(ctx, form)
	}
	err := form.WithInput(a.stdin).RunWithContext(ctx)
	switch {
	case ctx.Err() != nil:
		return errUnanswered()
	case errors.Is(err, huh.ErrUserAborted):
		return errDeclined
	case err != nil:
		return fmt.Errorf("ask: %w", err)
	case form.State != huh.StateCompleted: // a form that a signal ends says no more than this
		return errDeclined
	}
	return nil
}

// leaveInPeace makes Ctrl-C end a form as the last answer does. Otherwise what
// reads the terminal would be closed while it still reads.
func leaveInPeace(_ tea.Model, msg tea.Msg) tea.Msg {
	if _, ok := msg.(tea.InterruptMsg); ok {
		return tea.QuitMsg{}
	}
	return msg
}

// inLines reports whether the terminal can only be written to line by line, or
// somebody wants it so: screen readers get along with nothing else.
func inLines() bool { return os.Getenv("TERM") == "dumb" }

// questionInLines asks without moving the cursor.
func (a *app) questionInLines(ctx context.Context, form *huh.Form) error {
	input := &untilEnd{in: a.stdin}
	_, err := answer(ctx, func() (string, error) { return "", form.WithInput(input).WithAccessible(true).Run() })
	switch {
	case ctx.Err() != nil:
		return errUnanswered()
	case err == nil && input.ended:
		return errDeclined // the form would take its defaults for answers
	}
	return err
}

// errUnanswered ends a verb that is stopped while it asks.
func errUnanswered() error {
	return fault.New(fault.Failed, "ask", "%w: nothing was changed", errStopped).Hint("run it again")
}

// untilEnd remembers that the input has ended.
type untilEnd struct {
	in    io.Reader
	ended bool
}

func (u *untilEnd) Read(p []byte) (int, error) {
	n, err := u.in.Read(p)
	if err != nil {
		u.ended = true
	}
	return n, err
}

// plainTheme needs no colour, so that it can be read on every background.
func plainTheme(dark bool) *huh.Styles {
	t := huh.ThemeBase(dark)
	if !inLines() {
		t.Focused.Title = t.Focused.Title.Bold(true)
	}
	return t
}
