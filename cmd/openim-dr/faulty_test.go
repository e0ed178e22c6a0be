package main

import (
	"encoding/json"
	"os"
	"strconv"
	"syscall"

	"github.com/openim-dr/openim-dr/internal/storage"
	"github.com/openim-dr/openim-dr/internal/storage/faulty"
)

// The environment of openim-dr-faulty.
const (
	faultVariable = "OPENIM_DR_TEST_FAULT" // a faulty.Fault, or "kill"
	atVariable    = "OPENIM_DR_TEST_AT"    // number of the storage call; for a kill also a phase: its first one
	callsVariable = "OPENIM_DR_TEST_CALLS" // file for the calls that were made
	killFault     = "kill"
)

// faultyMain is openim-dr with a storage in which one call goes wrong. With
// "kill" the process gets SIGKILL ahead of that call: what kill -9 does, at a
// moment of the test's choice.
func faultyMain() {
	a := newApp(os.Stdin, os.Stdout, os.Stderr)
	var store *faulty.Store
	a.wrap = func(s storage.Storage) storage.Storage {
		store = faulty.New(s, faultPlan())
		return store
	}
	code := a.execute(os.Args[1:])
	if store != nil {
		writeCalls(store.Calls())
	}
	os.Exit(code)
}

// writeCalls tells the test what was called, or for a kill what was about to be.
func writeCalls(calls []faulty.Call) {
	path := os.Getenv(callsVariable)
	if path == "" {
		return
	}
	data, err := json.Marshal(calls)
	if err == nil {
		err = os.WriteFile(path, data, 0o600)
	}
	if err != nil {
		panic(err)
	}
}

func faultPlan() faulty.Plan {
	moment := os.Getenv(atVariable)
	at, err := strconv.Atoi(moment)
	fault := os.Getenv(faultVariable)
	switch {
	case moment == "":
		return faulty.Plan{}
	case fault != killFault && err == nil:
		return faulty.Plan{Fault: faulty.Fault(fault), At: at}
	}
	return faulty.Plan{Before: func(c faulty.Call) {
		if c.N == at || phase(c) == moment {
			writeCalls([]faulty.Call{c})
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // does not return
			select {}
		}
	}}
}
