package main

import (
	"context"
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
	form := huh.NewForm(huh.NewGroup(field)).WithTheme(huh.ThemeFunc(plainTheme)).WithOutput(a.console.stderr)
	if inLines() {
		return a.questionInLines(ctx, form)
	}
	err := a.onScreen(ctx, form)
	switch {
	case ctx.Err() != nil:
		return errUnanswered()
	case err != nil:
		return fmt.Errorf("ask: %w", err)
	case form.State != huh.StateCompleted:
		return errDeclined
	}
	return nil
}

// onScreen shows the form until it is answered or left, or ctx is done. A
// program that its context ends does not wait for what reads the terminal, and
// closes it while it is still read; one that is told to quit waits.
func (a *app) onScreen(ctx context.Context, form *huh.Form) error {
	form.SubmitCmd, form.CancelCmd = tea.Quit, tea.Quit
	program := tea.NewProgram(formModel{form}, tea.WithInput(a.stdin), tea.WithOutput(a.console.stderr), tea.WithoutSignalHandler())
	defer context.AfterFunc(ctx, program.Quit)()
	_, err := program.Run()
	return err
}

// formModel shows a form, which is a model of an older shape, as a program of
// its own.
type formModel struct{ form *huh.Form }

func (m formModel) Init() tea.Cmd { return m.form.Init() }

func (m formModel) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	_, cmd := m.form.Update(msg) // the form changes in its place
	return m, cmd
}

func (m formModel) View() tea.View {
	view := tea.NewView(m.form.View())
	view.ReportFocus = true
	return view
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
