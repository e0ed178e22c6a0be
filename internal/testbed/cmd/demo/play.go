package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/openim-dr/openim-dr/internal/testbed/seed"
)

// demo is one performance: a deployment with two repositories.
type demo struct {
	tool
	servers *servers
	size    seed.Size

	began  time.Time
	number int
	rows   []table.Row // of the closing table
	equal  bool
	files  [2]string // configurations: the directory and GCS
}

// play tells the whole story. What it leaves is for the reader to look into.
func (d *demo) play(ctx context.Context) error {
	d.began, d.equal = time.Now(), true
	if err := d.prepare(ctx); err != nil {
		return err
	}
	if err := d.backUp(ctx, "Take a recovery point into a directory, and one into Google Cloud Storage (emulator)"); err != nil {
		return err
	}
	d.say("A day passes: rows, objects and a password change")
	if _, err := seed.Change(ctx, d.servers.stores(), d.size, 1); err != nil {
		return fmt.Errorf("change the deployment: %w", err)
	}
	if err := waitForTime(ctx); err != nil {
		return err
	}
	if err := d.backUp(ctx, "Take a second point into each: of the bucket only what changed is fetched and stored"); err != nil {
		return err
	}
	d.say("Note what is there: CHECKSUM TABLE, the data dictionary, a listing with ETags, Secrets and ConfigMaps")
	before, err := d.servers.fingerprint(ctx)
	if err != nil {
		return err
	}
	for i, from := range []string{"the directory", "Google Cloud Storage"} {
		if err := d.loseAndRestore(ctx, from, d.files[i], before); err != nil {
			return err
		}
	}
	if err := d.keep(ctx); err != nil {
		return err
	}
	d.say("Drill: restore the newest point into scratch containers, compare, and write the proof down")
	if err := d.run(ctx, "verify", "--config", d.files[0], "--report", reportName); err != nil {
		return err
	}
	return d.close()
}

// keep shows what the repository is for years: which points stay, and that they are
// in a second place.
func (d *demo) keep(ctx context.Context) error {
	d.say("Retention: which points a prune would keep, why, and what it would delete")
	if err := d.run(ctx, "prune", "--plan", "--config", d.files[0]); err != nil {
		return err
	}
	d.say("Copy the points to a second place, as they are stored, and check what is there without a private key")
	if err := d.run(ctx, "copy", "--to", "second", "--config", d.files[0]); err != nil {
		return err
	}
	return d.run(ctx, "check", "--repository", "second", "--read-data", "--config", d.files[0])
}

// reportName is the drill's page.
const reportName = "drill.html"

// prepare seeds the servers and makes keys, configurations and repositories.
func (d *demo) prepare(ctx context.Context) error {
	d.say("Seed an OpenIM deployment: %s rows in MySQL, %s objects in SeaweedFS, Secrets and ConfigMaps in three namespaces",
		humanize.Comma(int64(d.size.Rows)), humanize.Comma(int64(d.size.Objects)))
	if err := d.servers.destroy(ctx); err != nil {
		return fmt.Errorf("clear what an earlier demo left: %w", err)
	}
	stores := d.servers.stores()
	if _, err := seed.MySQL(ctx, stores.DB, stores.Schemas, d.size); err != nil {
		return fmt.Errorf("seed MySQL: %w", err)
	}
	if _, err := seed.Bucket(ctx, stores.S3, stores.Bucket, d.size); err != nil {
		return fmt.Errorf("seed the bucket: %w", err)
	}
	if _, err := seed.Kubernetes(ctx, stores.Kubernetes, stores.Namespaces, d.size); err != nil {
		return fmt.Errorf("seed Kubernetes: %w", err)
	}
	d.say("Make keys: the cluster gets those that write; the operator's, which alone can read, stays outside it")
	if err := os.RemoveAll(d.dir); err != nil {
		return err
	}
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return err
	}
	k, err := d.keygen(ctx)
	if err != nil {
		return err
	}
	urls := [2]string{filepath.Join(d.dir, "repository"), "gs://" + d.servers.env["GCS_BUCKET"] + "/demo-" + d.began.UTC().Format("20060102T150405Z")}
	for i, name := range []string{"directory", "gcs"} {
		if d.files[i], err = d.configure(name, urls[i], k, d.servers); err != nil {
			return err
		}
	}
	d.say("Create the two repositories")
	return d.both(ctx, "init")
}

// both runs a verb for each repository.
func (d *demo) both(ctx context.Context, args ...string) error {
	for _, file := range d.files {
		if err := d.run(ctx, append(args, "--config", file)...); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) backUp(ctx context.Context, what string) error {
	d.say("%s", what)
	if err := d.both(ctx, "backup"); err != nil {
		return err
	}
	return d.run(ctx, "list", "--config", d.files[0])
}

// loseAndRestore destroys the deployment, brings it back from one repository
// and holds it against what the servers said before.
func (d *demo) loseAndRestore(ctx context.Context, from, file string, before fingerprint) error {
	d.say("Disaster: drop both schemas, delete the bucket, delete the Secrets and ConfigMaps")
	if err := d.servers.destroy(ctx); err != nil {
		return err
	}
	d.say("Restore from %s, with the operator's key", from)
	began := time.Now()
	if err := d.run(ctx, "restore", "--config", file, "--identity", "operator.key", "--yes"); err != nil {
		return err
	}
	took := time.Since(began)
	after, err := d.servers.fingerprint(ctx)
	if err != nil {
		return err
	}
	d.compare(from, took, "MySQL rows, definitions", before.tables, after.tables)
	d.compare(from, took, "SeaweedFS objects", before.objects, after.objects)
	d.compare(from, took, "Secrets, ConfigMaps", before.documents, after.documents)
	return nil
}

// compare adds a line to the closing table.
func (d *demo) compare(from string, took time.Duration, what string, before, after store) {
	verdict := "yes"
	if differ := before.differences(after); len(differ) > 0 || len(before.sums) == 0 {
		d.equal = false
		verdict = fmt.Sprintf("NO: %d differ", len(differ))
		for _, name := range differ[:min(5, len(differ))] {
			fmt.Printf("    not the same: %s: was %q, is %q\n", name, before.sums[name], after.sums[name])
		}
	}
	d.rows = append(d.rows, table.Row{
		what, "from " + from, humanize.Comma(after.count), humanize.IBytes(uint64(max(0, after.bytes))),
		took.Round(100 * time.Millisecond), verdict,
	})
}

// close prints the verdict.
func (d *demo) close() error {
	d.say("What came back, by the servers' own checksums (not openim-dr's)")
	t := table.NewWriter()
	t.AppendHeader(table.Row{"what", "restored", "count", "bytes", "time of the whole restore", "equal"})
	t.AppendRows(d.rows)
	t.SetStyle(table.StyleLight)
	fmt.Printf("\n%s\n\n", t.Render())
	fmt.Printf("Look into it: the repository is %s, its configuration %s beside it:\n", filepath.Join(d.dir, "repository"), d.files[0])
	fmt.Printf("    cd %s && %s list --config %s\n\n", d.dir, d.program, d.files[0])
	fmt.Printf("The report of the drill, for a browser or for paper: %s\n\n", filepath.Join(d.dir, reportName))
	fmt.Printf("Done in %s.\n", time.Since(d.began).Round(time.Second))
	if !d.equal {
		return fmt.Errorf("what came back is not what was there")
	}
	return nil
}

// say announces a step.
func (d *demo) say(format string, args ...any) {
	d.number++
	fmt.Printf("\n%2d. [%s] %s\n", d.number, time.Since(d.began).Round(time.Second), fmt.Sprintf(format, args...))
}
