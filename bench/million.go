package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/openim-dr/openim-dr/internal/testbed/seed"
)

const (
	few, million = 20_000, 1_000_000
	// growthLimit is how much more memory a million objects may take than few, in
	// MiB.
	growthLimit = 32
)

// scaled is what was measured with so many objects.
type scaled struct {
	seeded                     time.Duration
	first, unchanged, restored measurement
}

// benchMillion looks at memory with few objects and with a million. They are
// tiny: what is measured is what grows with their number.
func benchMillion(ctx context.Context, o options) ([]result, error) {
	o.size.MidObject, o.size.MaxObject = 200, 2_000
	counts := []int{few, million}
	runs := make([]scaled, len(counts))
	for i, count := range counts {
		o.size.Objects = count
		var err error
		if runs[i], err = benchCount(ctx, o); err != nil {
			return nil, fmt.Errorf("%d objects: %w", count, err)
		}
	}
	var all []result
	for _, part := range []struct {
		name string
		of   func(scaled) measurement
	}{
		{"first", func(s scaled) measurement { return s.first }},
		{"unchanged", func(s scaled) measurement { return s.unchanged }},
		{"restore", func(s scaled) measurement { return s.restored }},
	} {
		little, much := part.of(runs[0]), part.of(runs[1])
		reached := peak("bucket.million."+part.name+".memory", memoryLimit, []measurement{little, much})
		reached.Note = fmt.Sprintf("%d objects: %.1f s; %d objects: %.1f s", few, little.elapsed.Seconds(), million, much.elapsed.Seconds())
		growth := result{
			Name: "bucket.million." + part.name + ".growth", Unit: "MiB", Limit: growthLimit,
			Ours: float64(much.memory-little.memory) / (1 << 20),
		}
		all = append(all, reached, growth)
	}
	all[0].Note += fmt.Sprintf("; seeded in %.0f s and %.0f s", runs[0].seeded.Seconds(), runs[1].seeded.Seconds())
	return all, nil
}

// benchCount seeds a bucket, mirrors it twice and restores it into another one.
func benchCount(ctx context.Context, o options) (s scaled, err error) {
	b, err := newBucketBench(o, fmt.Sprintf("buckets-%d", o.size.Objects))
	if err != nil {
		return s, err
	}
	fmt.Printf("buckets: seed %d objects\n", o.size.Objects)
	began := time.Now()
	if _, err := seed.Bucket(ctx, b.api, b.bucket, o.size); err != nil {
		return s, err
	}
	s.seeded = time.Since(began)
	if b.dirs, err = newTool(ctx, b.binary, filepath.Join(b.dir, "openim-dr"), filepath.Join(b.dir, "repository"), b.sources(), b.secrets()...); err != nil {
		return s, err
	}
	time.Sleep(untilSettled)
	for _, run := range []struct {
		what string
		into *measurement
		do   func() (measurement, error)
	}{
		{"first mirror", &s.first, func() (measurement, error) { return b.dirs.backup(ctx) }},
		{"nothing changed", &s.unchanged, func() (measurement, error) { return b.dirs.again(ctx) }},
		{"restore", &s.restored, func() (measurement, error) {
			m, _, err := b.dirs.restore(ctx, "--rename", b.bucket+"="+b.bucket+"-back")
			return m, err
		}},
	} {
		fmt.Printf("buckets: %d objects: %s\n", o.size.Objects, run.what)
		if *run.into, err = run.do(); err != nil {
			return s, err
		}
		fmt.Printf("buckets: %d objects: %s: %.1f s, %d MiB\n", o.size.Objects, run.what, run.into.elapsed.Seconds(), run.into.memory>>20)
	}
	return s, nil
}
