package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/seal"
	"github.com/openim-dr/openim-dr/retention"
)

const (
	planLimit  = 3   // seconds
	planMemory = 256 // MiB

	planSoftLimit = 208 << 20 // bytes, as the verb prune has it
)

// benchPlan plans a prune of a repository of many years, which is simulated: its
// manifests and lists are real ones, in one file of this disk; of all else there are
// only names, which is all that a plan asks for. So no service's time is in it.
func benchPlan(ctx context.Context, o options) ([]result, error) {
	dir := filepath.Join(o.out, "plan")
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	began := time.Now()
	if err := simulate(ctx, dir); err != nil {
		return nil, fmt.Errorf("simulate a repository: %w", err)
	}
	fmt.Printf("plan: simulated %d points in %.0f s\n", simulatedPoints, time.Since(began).Seconds())
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var runs []measurement
	var said []byte
	for range o.rounds {
		m, out, err := command(ctx, nil, self, "-out", o.out, planOnce)
		if err != nil {
			return nil, err
		}
		runs, said = append(runs, m), out
	}
	planned := result{Name: "retention.plan", Unit: "s", Limit: planLimit, OursRounds: seconds(runs), Note: string(said)}
	planned.Ours = median(planned.OursRounds)
	return []result{planned, peak("retention.plan.memory", planMemory, runs)}, os.RemoveAll(dir)
}

// planOnce is the argument of the process that plans once, whose memory is measured.
const planOnce = "plan-once"

func benchPlanOnce(ctx context.Context, o options) (err error) {
	debug.SetMemoryLimit(planSoftLimit)
	store, trust, err := openSimulation(filepath.Join(o.out, "plan"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.file.Close()) }()
	repo, err := repository.Open(ctx, store, repository.Options{Trust: trust})
	if err != nil {
		return err
	}
	p := &repository.Pruner{Store: store, Repo: repo, Instance: "bench", Tool: "bench", By: "bench"}
	todo, err := retention.PlanPrune(ctx, p, retention.Order{AnyClock: true, Policy: retention.Policy{
		Last: 3, Within: 800 * 24 * time.Hour, Monthly: 36, MaxDeleteShare: 1,
	}})
	if err != nil {
		return err
	}
	if len(todo.Listing.Points) != simulatedPoints || len(todo.Listing.Broken) > 0 || !todo.Listing.Points[0].Eligible() {
		return fmt.Errorf("%d points and %d broken ones: %w", len(todo.Listing.Points), len(todo.Listing.Broken), errNotSimulated)
	}
	if len(todo.Forget) == 0 || todo.Deletes.Files < orphanPacks {
		return fmt.Errorf("%d points are forgotten and %d files deleted: %w", len(todo.Forget), todo.Deletes.Files, errNotSimulated)
	}
	fmt.Printf("%d points, %d files; %d points to be forgotten, %d files of no use", simulatedPoints, store.files, len(todo.Forget), todo.Deletes.Files)
	return nil
}

var errNotSimulated = errors.New("the simulation is not what it should be")

// trustOf trusts whoever has signed the simulation.
func trustOf(publicKey string) (seal.Trust, error) {
	signer, err := seal.NewTrustedSigner(publicKey, seal.Roles, time.Time{}, time.Time{})
	return seal.Trust{signer}, err
}
