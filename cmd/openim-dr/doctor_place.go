package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/storage"
	"github.com/openim-dr/openim-dr/internal/storage/dir"
)

// examinePlaces looks at what holds the points: the repository's own place, and
// those of its copies.
func examinePlaces(ctx context.Context, url string, copies []config.Copy) []source.Finding {
	findings := examinePlace(ctx, url, len(copies) > 0)
	for _, c := range copies {
		driver, closer, err := openDriver(ctx, c.URL, mustExist)
		if err != nil {
			f := found("copy.reachable", "copy "+c.Name+": ", explainStorage(c.URL, err))
			f.Severity = source.Warning
			if errors.Is(err, dir.ErrAbsent) {
				f.Remedy += "; or fill it: openim-dr copy --to " + c.Name
			}
			findings = append(findings, f)
			continue
		}
		for _, f := range inspect(ctx, driver, true) {
			f.Evidence = "copy " + c.Name + ": " + f.Evidence
			findings = append(findings, f)
		}
		_ = closer.Close() // nothing is written behind it
	}
	return findings
}

// examinePlace says nothing of a place that cannot be opened: examineRepository does.
func examinePlace(ctx context.Context, url string, elsewhere bool) []source.Finding {
	driver, closer, err := openDriver(ctx, url, mustExist)
	if err != nil {
		return nil
	}
	defer func() { _ = closer.Close() }() // nothing is written behind it
	return inspect(ctx, driver, elsewhere)
}

// inspect asks a driver how its service is set up, if it can, and judges that.
func inspect(ctx context.Context, driver storage.Storage, elsewhere bool) []source.Finding {
	switch s := driver.(type) {
	case storage.BucketInspector:
		return judgeBucket(s.InspectBucket(ctx), elsewhere)
	case storage.VolumeInspector:
		v, err := s.InspectVolume(ctx)
		return judgeVolume(driver.URL(), v, err, elsewhere)
	default:
		return nil
	}
}

// leastFree is the share of a volume below which a doctor speaks of it.
const leastFree = 0.1

// judgeVolume says what should be different about the directory at path.
func judgeVolume(path string, v *storage.Volume, err error, elsewhere bool) []source.Finding {
	findings := []source.Finding{judgeOneMachine(elsewhere)}
	if err != nil {
		return append(findings, unseen("storage.space", "the room of the file system", err, "look at it: df -h "+shellQuote(path)+"; df -i "+shellQuote(path)))
	}
	if v.OthersWrite {
		findings = append(findings, advice(source.Warning, "storage.access", "users other than the owner may create and delete files in "+path, "chmod 700 "+shellQuote(path)))
	} else {
		findings = append(findings, fine("storage.access", "only the owner of "+path+" may create and delete files in it"))
	}
	return append(findings, judgeRoom(v))
}

func judgeRoom(v *storage.Volume) source.Finding {
	evidence := fmt.Sprintf("%s of %s are free", size(int64(v.FreeBytes)), size(int64(v.Bytes)))
	bounded := v.Files > 0
	if bounded {
		evidence += fmt.Sprintf(", and %s of %s files can be made", count(int64(v.FreeFiles)), count(int64(v.Files)))
	}
	if float64(v.FreeBytes) < leastFree*float64(v.Bytes) || bounded && float64(v.FreeFiles) < leastFree*float64(v.Files) {
		return advice(source.Warning, "storage.space", evidence, "enlarge the volume, or keep fewer points: openim-dr prune --plan")
	}
	return fine("storage.space", evidence)
}

func judgeOneMachine(elsewhere bool) source.Finding {
	if elsewhere {
		return fine("storage.location", "a directory, and copies are configured")
	}
	return advice(source.Warning, "storage.location", "a directory is lost with its machine, and whoever owns the machine can delete it",
		"keep the repository in a bucket, or name a second place in copies and let openim-dr copy run")
}

func advice(severity source.Severity, check, evidence, remedy string) source.Finding {
	return source.Finding{Check: check, Severity: severity, Evidence: evidence, Remedy: remedy}
}

// unseen is what could not be looked at. Where only the right is lacking, that is as
// it should be.
func unseen(check, what string, why error, remedy string) source.Finding {
	return advice(source.Info, check, what+" could not be seen: "+whyUnseen(why), remedy)
}

// whyUnseen says shortly why something was not seen.
func whyUnseen(why error) string {
	switch {
	case errors.Is(why, storage.ErrDenied):
		return "this identity may not read the settings of the bucket, which a writer has no need to"
	case errors.Is(why, storage.ErrNotSaid):
		return storage.ErrNotSaid.Error()
	default:
		return fault.OneLine(why.Error())
	}
}

// inWords joins words as people do.
func inWords(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}
