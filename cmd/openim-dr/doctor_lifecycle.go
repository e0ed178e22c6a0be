package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// lifecycle says which rules of the bucket would delete parts of points, or move
// them to where they cost more to read. Points are deleted by prune alone, which
// knows what others need.
func (j *bucketJudgement) lifecycle(rules []storage.LifecycleRule) {
	const check = "storage.lifecycle"
	before := len(j.findings)
	for _, r := range rules {
		if r.Spares != "" || !j.touches(r) {
			continue
		}
		switch {
		case r.Deletes:
			j.add(source.Error, check, "a rule deletes files of the repository "+whenAndWhere(r)+": points lose what they need", j.change())
		case r.Unreadable:
			j.add(source.Error, check, "a rule moves files of the repository to "+r.Class+" "+whenAndWhere(r)+", where nothing can be read until it was asked back", j.change())
		case r.Class != "":
			j.add(source.Info, check, "a rule moves files of the repository to "+r.Class+" "+whenAndWhere(r)+": restores, drills and check --read-data pay for what they read, and pruning for what was not kept for long",
				"if that is not wanted, "+j.change())
		}
	}
	if len(j.findings) > before {
		return
	}
	if len(rules) == 0 {
		j.fine(check, "no rules: nothing is deleted but by prune")
		return
	}
	j.fine(check, "of "+plural(int64(len(rules)), "rule")+" none touches a file of the repository that is needed")
}

// whenAndWhere says when a rule acts, and on which names.
func whenAndWhere(r storage.LifecycleRule) string {
	when := r.When
	if when == "" {
		when = "at once"
	}
	if len(r.Prefixes) > 0 {
		when += fmt.Sprintf(", below %q", r.Prefixes)
	}
	if len(r.Suffixes) > 0 {
		when += fmt.Sprintf(", ending in %q", r.Suffixes)
	}
	return when
}

func (j *bucketJudgement) change() string {
	if j.Service == storage.S3 {
		return "take it out: " + j.s3api("get-bucket-lifecycle-configuration") + " > rules.json, edit it, then " + j.s3api("put-bucket-lifecycle-configuration --lifecycle-configuration file://rules.json")
	}
	return "take it out: gcloud storage buckets describe " + j.url() + " --format='json(lifecycle_config)' > rules.json, edit it, then " + j.update("--lifecycle-file=rules.json", "")
}

// fileEndings are those of the files of a repository that points need.
var fileEndings = []string{".json", ".jsonl", ".minisig", ".age"}

// touches reports whether a rule may be about a file of the repository.
func (j *bucketJudgement) touches(r storage.LifecycleRule) bool {
	overlaps := func(prefix string) bool {
		return strings.HasPrefix(prefix, j.Prefix) || strings.HasPrefix(j.Prefix, prefix)
	}
	ends := func(suffix string) bool {
		return slices.ContainsFunc(fileEndings, func(own string) bool {
			return strings.HasSuffix(own, suffix) || strings.HasSuffix(suffix, own)
		})
	}
	return (len(r.Prefixes) == 0 || slices.ContainsFunc(r.Prefixes, overlaps)) &&
		(len(r.Suffixes) == 0 || slices.ContainsFunc(r.Suffixes, ends))
}
