package main

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/openim-dr/openim-dr/internal/storage"
	"github.com/openim-dr/openim-dr/internal/storage/faulty"
)

// The environment of openim-dr-killed.
const (
	atVariable   = "OPENIM_DR_TEST_AT"   // number of a storage call, or a phase or a plain file: its first call
	callVariable = "OPENIM_DR_TEST_CALL" // file for the call that was not made
	// interruptVariable, where it is set, has Ctrl-C come instead of SIGKILL.
	interruptVariable = "OPENIM_DR_TEST_INTERRUPT"
)

// killedMain is openim-dr that gets SIGKILL ahead of a storage call: what
// kill -9 does, at a moment of the test's choice.
func killedMain() {
	moment := os.Getenv(atVariable)
	at, _ := strconv.Atoi(moment) // 0 is no call's number
	a := newApp(os.Stdin, os.Stdout, os.Stderr)
	phaseOf := phase
	if os.Args[1] == "restore" {
		phaseOf = restorePhase
	}
	a.wrap = func(s storage.Storage) storage.Storage {
		return faulty.New(s, faulty.Plan{Before: func(c faulty.Call) {
			if c.N == at || phaseOf(c) == moment || strings.HasSuffix(c.Name, "/"+moment+".json") {
				die(c)
			}
		}})
	}
	os.Exit(a.execute(os.Args[1:]))
}

var interrupt = sync.OnceFunc(func() { _ = syscall.Kill(os.Getpid(), syscall.SIGINT) })

// die tells the test which call is not made, and does not return, unless it is
// Ctrl-C that comes.
func die(ahead faulty.Call) {
	data, err := json.Marshal(ahead)
	if err == nil {
		err = os.WriteFile(os.Getenv(callVariable), data, 0o600)
	}
	if err != nil {
		panic(err)
	}
	if os.Getenv(interruptVariable) != "" {
		interrupt() // a second one would end the process at once
		return
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}
