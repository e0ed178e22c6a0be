package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/scratch"
	"github.com/openim-dr/openim-dr/internal/testbed/seed"
)

const (
	// drillLimit is what a drill may take, without the start of its servers, of the
	// time of a restore alone, and estimateLimit how far the plan's estimate may be
	// from what the restore then takes.
	drillLimit    = 1.25
	estimateLimit = 0.3

	drillMemory = 4 << 30 // of each scratch server, bytes
)

// drillBench is the state of the part that drills.
type drillBench struct {
	*bucketBench
	image  string
	weed   string
	source *server
	tool   tool

	drills, restores []measurement
	estimates        []float64 // how far off, as a share of what it was
}

// benchDrill drills a deployment, in turn with restores of it into servers of the
// same kind.
func benchDrill(ctx context.Context, o options) (_ []result, err error) {
	buckets, err := newBucketBench(o, "drill")
	if err != nil {
		return nil, err
	}
	b := &drillBench{bucketBench: buckets, image: buckets.env["MYSQL_IMAGE"], weed: buckets.env["SEAWEEDFS_IMAGE"]}
	if b.image == "" || b.weed == "" {
		return nil, fmt.Errorf("MYSQL_IMAGE or SEAWEEDFS_IMAGE %w", errNotThere)
	}
	if b.source, err = startServer(ctx, b.image, b.env["TESTBED_LABEL"], filepath.Join(b.dir, "source")); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.source.stop(ctx)) }()
	if err := b.prepareDrills(ctx); err != nil {
		return nil, err
	}
	for round := range o.rounds {
		fmt.Printf("drill: round %d of %d\n", round+1, o.rounds)
		if err := b.drillRound(ctx); err != nil {
			return nil, err
		}
	}
	return b.drillResults(), nil
}

// prepareDrills seeds the deployment and takes a point of it.
func (b *drillBench) prepareDrills(ctx context.Context) error {
	fmt.Printf("drill: seed %d rows and %d objects\n", b.size.Rows, b.size.Objects)
	if _, err := seed.MySQL(ctx, b.source.db, seed.Schemas{}, b.size); err != nil {
		return err
	}
	if _, err := seed.Bucket(ctx, b.api, b.bucket, b.size); err != nil {
		return err
	}
	config := b.sources() + fmt.Sprintf(`  - {name: main, kind: mysql, address: "%s", user: root, password: "env:SOURCE_PASSWORD", tls: disabled, schemas: [%s], accounts: none}
verify: {mysqlImage: "%s", seaweedfsImage: "%s", memory: %d}
`, b.source.address, strings.Join(schemas, ", "), b.image, b.weed, drillMemory)
	dir := filepath.Join(b.dir, "openim-dr")
	var err error
	b.tool, err = newTool(ctx, b.binary, dir, filepath.Join(dir, "repository"), config, append(b.secrets(), "SOURCE_PASSWORD="+b.source.password)...)
	if err != nil {
		return err
	}
	_, err = b.tool.backup(ctx)
	return err
}

// drillRound drills, and restores by hand into such servers as the drill had.
func (b *drillBench) drillRound(ctx context.Context) error {
	if err := settle(ctx); err != nil {
		return err
	}
	m, out, err := b.tool.run(ctx, "verify", "--identity", filepath.Join(b.tool.dir, "operator.key"))
	if err != nil {
		return err
	}
	var drilled struct{ Seconds float64 }
	if err := json.Unmarshal(out, &drilled); err != nil {
		return fmt.Errorf("read what verify printed: %w", err)
	}
	m.elapsed = time.Duration(drilled.Seconds * float64(time.Second))
	b.drills = append(b.drills, m)
	return b.restoreAlone(ctx)
}

// restoreAlone restores, whole and with the comparison, as the drill did it.
func (b *drillBench) restoreAlone(ctx context.Context) (err error) {
	servers, err := scratch.New(ctx, scratch.Options{
		Drill: repository.NewDrillID(time.Now()), Deadline: time.Now().Add(time.Hour), MySQLImage: b.image, SeaweedFSImage: b.weed,
		Memory: drillMemory, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, servers.Close(ctx)) }()
	target, env, err := b.scratchTarget(ctx, servers)
	if err != nil {
		return err
	}
	if err := settle(ctx); err != nil {
		return err
	}
	t := b.tool
	t.env = append(t.env, env...)
	estimate, err := t.estimate(ctx, target)
	if err != nil {
		return err
	}
	m, _, err := t.restore(ctx, "--target", target)
	if err != nil {
		return err
	}
	b.restores = append(b.restores, m)
	b.estimates = append(b.estimates, math.Abs(estimate/m.elapsed.Seconds()-1))
	fmt.Printf("drill: %.1f s; restore %.1f s, estimated %.1f s\n", b.drills[len(b.drills)-1].elapsed.Seconds(), m.elapsed.Seconds(), estimate)
	return nil
}

// scratchTarget starts the servers and writes a target that leads to them.
func (b *drillBench) scratchTarget(ctx context.Context, servers *scratch.Docker) (path string, env []string, err error) {
	database, err := servers.MySQL(ctx, "main")
	if err != nil {
		return "", nil, err
	}
	files, err := servers.S3(ctx, "media")
	if err != nil {
		return "", nil, err
	}
	for name, ref := range map[string]interface{ Resolve() (string, error) }{
		"SCRATCH_PASSWORD": database.Password, "SCRATCH_ACCESS": files.AccessKey, "SCRATCH_SECRET": files.SecretKey,
	} {
		value, err := ref.Resolve()
		if err != nil {
			return "", nil, err
		}
		env = append(env, name+"="+value)
	}
	path = filepath.Join(b.dir, "target.yaml")
	text := fmt.Sprintf(`- {name: main, kind: mysql, address: "%s", user: root, password: "env:SCRATCH_PASSWORD", schemas: ["*"], disableRedoLog: true}
- {name: media, kind: buckets, endpoint: "%s", accessKey: "env:SCRATCH_ACCESS", secretKey: "env:SCRATCH_SECRET", buckets: [any]}
`, database.Address, files.Endpoint)
	return path, env, os.WriteFile(path, []byte(text), 0o600)
}

// estimate asks the plan of a restore how long it will take.
func (t tool) estimate(ctx context.Context, target string) (float64, error) {
	_, out, err := t.run(ctx, "restore", "--plan", "--identity", filepath.Join(t.dir, "operator.key"), "--target", target)
	if err != nil {
		return 0, err
	}
	var plan struct{ EstimateSeconds *float64 }
	if err := json.Unmarshal(out, &plan); err != nil {
		return 0, fmt.Errorf("read the plan: %w", err)
	}
	if plan.EstimateSeconds == nil {
		return 0, errors.New("the plan estimates nothing, although there is a proof")
	}
	return *plan.EstimateSeconds, nil
}

func (b *drillBench) drillResults() []result {
	drilled := against("verify.drill/restore", drillLimit, b.drills, b.restores)
	drilled.PeerCommand = "openim-dr restore --target SCRATCH, comparison included"
	drilled.OursBytes, drilled.PeerBytes = 0, 0
	estimated := result{
		Name: "verify.estimate", Unit: "of the restore's time", Limit: estimateLimit, OursRounds: b.estimates, Ours: median(b.estimates),
		Note: "how far the plan's estimate was off",
	}
	return []result{drilled, peak("verify.drill.memory", memoryLimit, b.drills), estimated}
}
