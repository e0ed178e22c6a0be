package verify_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/verify"
)

// Every damage of the zoo is found by the level that the table names, and by no
// lower one: otherwise the table promised too little.
func TestCheckFindsEveryDamage(t *testing.T) {
	z := newZoo(t)
	requireGood(t, z)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	for _, storage := range []struct {
		name      string
		checksums bool
		level     func(damage) level
	}{
		{"bucket", true, func(d damage) level { return d.bucket }},
		{"directory", false, func(d damage) level { return d.directory }},
	} {
		for i, d := range damages() {
			t.Run(storage.name+"/"+d.name, func(t *testing.T) {
				t.Parallel()
				c := z.copyOf(t, rand.New(rand.NewPCG(seed, uint64(i))))
				file := d.do(c)
				requireFound(t, c, d, storage.level(d), storage.checksums, file)
			})
		}
	}
}

// requireFound climbs the levels until the one that must find the damage.
func requireFound(t *testing.T, c *cage, d damage, at level, checksums bool, file string) {
	t.Helper()
	heads := c.heads
	c.heads = nil
	if at == byCheck {
		requireFinding(t, c, d, checksums, "", file)
		return
	}
	requireNothing(t, c, checksums, "")
	if at == byHead {
		c.heads = heads
		requireFinding(t, c, d, checksums, "", file)
		return
	}
	if at == byRead {
		requireFinding(t, c, d, checksums, "all", file)
		return
	}
	requireNothing(t, c, checksums, "all")
	requireDrill(t, c, d.drill)
}

func requireFinding(t *testing.T, c *cage, d damage, checksums bool, share, file string) {
	t.Helper()
	result, err := c.check(checksums, share, "")
	if result == nil {
		t.Fatal(err)
	}
	kinds := strings.Split(string(d.kind), "|")
	found := slices.ContainsFunc(result.Findings, func(f verify.Finding) bool { return f.File == file && slices.Contains(kinds, string(f.Kind)) })
	if !found || fault.KindOf(err).ExitCode() != 3 {
		t.Errorf("%s is not found as %s: %v\n%s", file, d.kind, err, findingsText(result))
	}
}

func requireNothing(t *testing.T, c *cage, checksums bool, share string) {
	t.Helper()
	result, err := c.check(checksums, share, "")
	if err != nil || !result.Finished || slices.ContainsFunc(result.Findings, verify.Finding.Harms) {
		t.Errorf("share %q finds what a higher level must: %v\n%s", share, err, findingsText(result))
	}
}

func findingsText(r *verify.CheckResult) string {
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%+v\n", f)
	}
	return b.String()
}

// requireGood makes sure that what is damaged is good before: as a whole, read
// to the last byte, every point alone, and to a drill.
func requireGood(t *testing.T, z *zoo) {
	t.Helper()
	c := z.copyOf(t, rand.New(rand.NewPCG(1, 1)))
	for _, checksums := range []bool{true, false} {
		requireNothing(t, c, checksums, "all")
	}
	for _, point := range slices.Concat(z.nightly, z.hourly[:1], z.hourly[2:], z.manual) {
		result, err := c.check(true, "all", point)
		if err != nil || result.Points != 1 || len(result.Findings) > 0 {
			t.Errorf("point %s alone: %d points, %v\n%s", point, result.Points, err, findingsText(result))
		}
	}
	if outcome := c.runDrill(); !outcome.Proof.Passed || outcome.Err != nil || outcome.Proof.Keys == nil || brokenKeys(outcome.Proof.Keys) > 0 || outcome.Proof.Keys.Points < 6 {
		t.Errorf("a drill says %q, keys %+v: %v", outcome.Proof.Failure, outcome.Proof.Keys, outcome.Err)
	}
	if t.Failed() {
		t.FailNow()
	}
}

// The table of docs/VERIFY.md is the zoo's.
func TestDocumentedDamages(t *testing.T) {
	want := damageTable()
	page, err := os.ReadFile("../docs/VERIFY.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), want) {
		t.Errorf("docs/VERIFY.md does not hold this table:\n%s", want)
	}
	if n := len(damages()); n < 40 {
		t.Errorf("%d damages", n)
	}
}

func damageTable() string {
	var b strings.Builder
	b.WriteString("| damage | finding | in a bucket | in a directory |\n|---|---|---|---|\n")
	for _, d := range damages() {
		kind := strings.ReplaceAll(string(d.kind), "|", ", ")
		if kind == "" {
			kind = string(d.drill)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", d.name, kind, d.bucket, d.directory)
	}
	return b.String()
}
