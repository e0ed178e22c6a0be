package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/storage"
)

const (
	// leastProtected is for how long files should be safe from everybody: damage is
	// rarely noticed on the same day.
	leastProtected = 7 * 24 * time.Hour
	// protectFor is what the commands propose.
	protectFor = 30 * 24 * time.Hour
)

// judgeBucket says of each fact about a bucket whether it is as it should be for a
// repository, and if not the command that changes it. Elsewhere means that there are
// copies in other places. It is pure.
func judgeBucket(b *storage.Bucket, elsewhere bool) []source.Finding {
	j := &bucketJudgement{Bucket: b, elsewhere: elsewhere}
	judge(j, "uniform access", "get-bucket-ownership-controls", b.UniformAccess, j.uniformAccess)
	judge(j, "public access prevention", "get-public-access-block", b.PublicAccessPrevented, j.publicAccess)
	judge(j, "retention policy", "get-object-lock-configuration", b.Retention, j.retention)
	judge(j, "soft delete", "", b.SoftDelete, j.softDelete)
	judge(j, "versioning", "get-bucket-versioning", b.Versioning, j.versioning)
	judge(j, "default hold", "", b.DefaultHold, j.defaultHold)
	judge(j, "object retention", "", b.ObjectRetention, j.objectRetention)
	judge(j, "encryption key", "", b.EncryptionKey, j.encryptionKey)
	judge(j, "location", "get-bucket-location", b.Location, j.location)
	judge(j, "lifecycle", "get-bucket-lifecycle-configuration", b.Lifecycle, j.lifecycle)
	j.settingsUnseen()
	j.rights()
	return j.findings
}

// bucketJudgement is a bucket with what was found about it so far.
type bucketJudgement struct {
	*storage.Bucket
	elsewhere bool
	findings  []source.Finding
	hidden    []hiddenSettings
}

// hiddenSettings were not seen for one and the same reason.
type hiddenSettings struct {
	why      string
	names    []string
	commands []string // of S3, with which an administrator sees them
}

// judge judges a fact that was seen, and otherwise keeps why it was not. See is the
// command of S3 for it.
func judge[T any](j *bucketJudgement, name, see string, fact storage.Fact[T], verdict func(T)) {
	switch {
	case fact.Seen:
		verdict(fact.Value)
	case fact.Unseen != nil:
		j.hide(name, see, whyUnseen(fact.Unseen))
	}
}

func (j *bucketJudgement) hide(name, see, why string) {
	i := slices.IndexFunc(j.hidden, func(h hiddenSettings) bool { return h.why == why })
	if i < 0 {
		i, j.hidden = len(j.hidden), append(j.hidden, hiddenSettings{why: why})
	}
	h := &j.hidden[i]
	h.names = append(h.names, name)
	if see != "" {
		h.commands = append(h.commands, j.s3api(see))
	}
}

// settingsUnseen says once, for each reason, what could not be seen.
func (j *bucketJudgement) settingsUnseen() {
	for _, h := range j.hidden {
		todo := "an administrator sees them with: gcloud storage buckets describe " + j.url()
		switch {
		case h.why == storage.ErrNotSaid.Error():
			todo = "ask whoever runs the service"
		case j.Service == storage.S3:
			todo = "an administrator sees them with: " + strings.Join(h.commands, "; ")
		}
		j.add(source.Info, "storage.settings", inWords(h.names)+" could not be seen: "+h.why, todo)
	}
}

func (j *bucketJudgement) add(severity source.Severity, check, evidence, remedy string) {
	j.findings = append(j.findings, advice(severity, check, evidence, remedy))
}

func (j *bucketJudgement) fine(check, evidence string) {
	j.findings = append(j.findings, fine(check, evidence))
}

func (j *bucketJudgement) url() string { return "gs://" + j.Name }

// update is the command that changes a bucket: a flag of gcloud, or a verb of aws.
func (j *bucketJudgement) update(flag, verb string) string {
	if j.Service == storage.S3 {
		return j.s3api(verb)
	}
	return "gcloud storage buckets update " + j.url() + " " + flag
}

// s3api is a command of Amazon's tool, which also speaks to other services.
func (j *bucketJudgement) s3api(verb string) string {
	name, rest, more := strings.Cut(verb, " ")
	command := "aws s3api " + name + " --bucket " + j.Name
	if j.Endpoint != "" {
		command += " --endpoint-url " + shellQuote(j.Endpoint)
	}
	if more {
		command += " " + rest
	}
	return command
}

func (j *bucketJudgement) uniformAccess(uniform bool) {
	const check = "storage.uniformAccess"
	if uniform {
		j.fine(check, "rights stand in the bucket's policy alone")
		return
	}
	j.add(source.Warning, check, "single objects may have access lists of their own, which the bucket's policy does not show", j.update("--uniform-bucket-level-access", ""))
}

func (j *bucketJudgement) publicAccess(prevented bool) {
	const check = "storage.publicAccess"
	if prevented {
		j.fine(check, "the bucket cannot be opened to the public")
		return
	}
	j.add(source.Warning, check, "the bucket itself does not prevent that it is opened to the public (an organisation may)",
		j.update("--public-access-prevention", "put-public-access-block --public-access-block-configuration BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true"))
}

func (j *bucketJudgement) retention(r storage.Retention) {
	const check = "storage.retention"
	set := j.update(fmt.Sprintf("--retention-period=%dd", wholeDays(protectFor)), fmt.Sprintf(
		`put-object-lock-configuration --object-lock-configuration '{"ObjectLockEnabled":"Enabled","Rule":{"DefaultRetention":{"Mode":"GOVERNANCE","Days":%d}}}'`, wholeDays(protectFor)))
	period := quantity.Duration(r.Period).String()
	switch {
	case r.Period == 0:
		j.add(source.Warning, check, "no retention policy: whoever may delete can destroy every point at once", set)
	case r.Period < leastProtected:
		j.add(source.Warning, check, "files are protected for "+period+", in which damage has to be noticed", set)
	case !r.Locked:
		j.add(source.Info, check, "files are protected for "+period+"; the policy is not locked: an administrator can end it",
			"to lock it, which nobody can take back: "+j.update("--lock-retention-period", fmt.Sprintf(
				`put-object-lock-configuration --object-lock-configuration '{"ObjectLockEnabled":"Enabled","Rule":{"DefaultRetention":{"Mode":"COMPLIANCE","Days":%d}}}'`, wholeDays(r.Period))))
	default:
		j.fine(check, "files are protected for "+period+", and nobody can end that")
	}
}

func wholeDays(d time.Duration) int { return int(d / (24 * time.Hour)) }

func (j *bucketJudgement) softDelete(kept time.Duration) {
	const check = "storage.softDelete"
	if kept >= leastProtected {
		j.fine(check, "what is deleted can be brought back for "+quantity.Duration(kept).String())
		return
	}
	evidence := "what is deleted is gone at once"
	if kept > 0 {
		evidence = "what is deleted can be brought back for " + quantity.Duration(kept).String() + " only"
	}
	j.add(source.Warning, check, evidence, j.update(fmt.Sprintf("--soft-delete-duration=%dd", wholeDays(leastProtected)), ""))
}

// versioning is needed for Object Lock, and elsewhere keeps what was deleted on
// purpose for ever: nothing is ever replaced.
func (j *bucketJudgement) versioning(on bool) {
	const check = "storage.versioning"
	switch {
	case j.Service == storage.S3 && on:
		j.fine(check, "versions are kept, which Object Lock needs")
	case j.Service == storage.S3:
		j.add(source.Info, check, "no versions are kept, so that the bucket can have no Object Lock", j.s3api("put-bucket-versioning --versioning-configuration Status=Enabled"))
	case on:
		j.add(source.Warning, check, "versions are kept: what is pruned stays, and costs, for ever, while nothing here is ever replaced", j.update("--no-versioning", ""))
	default:
		j.fine(check, "no versions are kept: nothing here is ever replaced")
	}
}

func (j *bucketJudgement) defaultHold(on bool) {
	const check = "storage.defaultHold"
	if !on {
		j.fine(check, "new files are not held")
		return
	}
	j.add(source.Warning, check, "every new file is held until somebody lets go of it: nothing can ever be pruned", j.update("--no-default-event-based-hold", ""))
}

func (j *bucketJudgement) objectRetention(on bool) {
	const check = "storage.objectRetention"
	if !on {
		j.fine(check, "no file can be given a retention of its own")
		return
	}
	j.add(source.Info, check, "files may be given a retention of their own, which openim-dr does not use; the bucket cannot be changed in that",
		"see that nobody has storage.objects.setRetention: gcloud storage buckets get-iam-policy "+j.url())
}

func (j *bucketJudgement) encryptionKey(key string) {
	const check = "storage.encryptionKey"
	if key == "" {
		j.fine(check, "the service encrypts with keys of its own; files are sealed before they are sent")
		return
	}
	j.add(source.Warning, check, "the bucket is encrypted with "+key+": whoever destroys that key destroys every point, which are sealed without it",
		j.update("--clear-default-encryption-key", "")+"; or protect the key against destruction as well as the points")
}

func (j *bucketJudgement) location(l storage.Geography) {
	const check = "storage.location"
	where := strings.TrimSpace(l.Name + " " + inWords(l.Regions))
	switch {
	case l.Several:
		j.fine(check, "in several regions: "+where)
	case j.elsewhere:
		j.fine(check, "in one region ("+where+"), and copies are configured")
	case j.Service == storage.S3:
		j.add(source.Warning, check, "in one region ("+where+"): points are lost with it", "name a second place in copies, and let openim-dr copy run")
	default:
		j.add(source.Warning, check, "in one region ("+where+"): points are lost with it, and cannot be read while it is down",
			"a bucket cannot be moved: make one in two regions, for instance gcloud storage buckets create gs://NAME --location=eur4, or name a second place in copies and let openim-dr copy run")
	}
}
