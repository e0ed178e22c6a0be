package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// askPassphrase takes it from the environment, else from the terminal.
func (a *app) askPassphrase(ctx context.Context, prompt string) (string, error) {
	if value := os.Getenv(passphraseVariable); value != "" {
		return value, nil
	}
	terminal, ok := a.stdin.(*os.File)
	if !ok || !isTerminal(terminal) {
		return "", usage("read passphrase", "there is no terminal to ask on").Hint("set %s", passphraseVariable)
	}
	before, err := term.GetState(int(terminal.Fd()))
	if err != nil {
		return "", fmt.Errorf("read passphrase: %w", err)
	}
	a.out.say("%s: ", prompt)
	typed, err := answer(ctx, func() (string, error) {
		typed, err := term.ReadPassword(int(terminal.Fd()))
		return string(typed), err
	})
	a.out.say("\n")
	// After a signal the terminal would otherwise stay without echo.
	if err = errors.Join(err, term.Restore(int(terminal.Fd()), before)); err != nil {
		return "", fmt.Errorf("read passphrase: %w", err)
	}
	return typed, nil
}

// newPassphrase asks twice on a terminal.
func (a *app) newPassphrase(ctx context.Context) (string, error) {
	first, err := a.askPassphrase(ctx, "new passphrase")
	if err != nil {
		return "", err
	}
	if os.Getenv(passphraseVariable) != "" {
		return first, nil
	}
	second, err := a.askPassphrase(ctx, "the same again")
	if err != nil {
		return "", err
	}
	if first != second {
		return "", usage("read passphrase", "the two are not the same")
	}
	return first, nil
}

// confirm asks a yes-or-no question on a terminal. Off a terminal nothing is
// asked.
func (a *app) confirm(ctx context.Context, question string) error {
	if !isTerminal(a.stdin) || !a.console.terminal {
		return nil
	}
	lines := bufio.NewReader(a.stdin)
	for {
		a.out.say("%s [yes/no] ", question)
		typed, err := answer(ctx, func() (string, error) { return lines.ReadString('\n') })
		switch word := strings.ToLower(fault.OneLine(typed)); {
		case err != nil && !errors.Is(err, io.EOF):
			return fmt.Errorf("read answer: %w", err)
		case word == "yes":
			return nil
		case word == "no", word == "n", err != nil: // the end of the input is no consent
			return errDeclined
		}
		a.out.say("please write yes or no\n")
	}
}

// errDeclined ends a verb to which the operator has said no.
var errDeclined = errors.New("not confirmed: nothing was changed")

// answer waits for a reading of the terminal, which no context ends. Where
// ctx ends first the reading is left behind, for the process is about to end.
func answer(ctx context.Context, read func() (string, error)) (string, error) {
	type result struct {
		text string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := read()
		done <- result{text, err}
	}()
	select {
	case r := <-done:
		return r.text, r.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
