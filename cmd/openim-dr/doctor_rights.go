package main

import (
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// writerRights are all that a process needs which backs up.
var writerRights = []string{"storage.objects.create", "storage.objects.get", "storage.objects.list"}

// rights says what the identity may do with which doctor runs: that of the process
// that backs up, if it runs there.
func (j *bucketJudgement) rights() {
	const check = "storage.appendOnly"
	if j.Service == storage.S3 {
		j.add(source.Info, check, "S3 has no question for what this identity may do", "see that its policy allows s3:PutObject, s3:GetObject, s3:AbortMultipartUpload and s3:ListBucket, and nothing else")
		return
	}
	if !j.Rights.Seen {
		j.findings = append(j.findings, unseen(check, "what this identity may do", j.Rights.Unseen, j.policy()))
		return
	}
	granted := j.Rights.Value
	lacking := without(writerRights, granted)
	surplus := without(granted, writerRights)
	switch {
	case len(surplus) > 0:
		j.add(source.Warning, check, "this identity has "+inWords(surplus)+" too: whoever gets hold of it can do more harm than reading and adding files",
			"if it backs up, grant it "+inWords(writerRights)+" alone, and let prune run with another, elsewhere; see what it has: "+j.policy())
	case len(lacking) > 0:
		j.add(source.Info, check, "this identity has not "+inWords(lacking)+" on the whole bucket; a condition of the policy may grant it below the prefix, and repository.create has tried it",
			"if that fails, grant it: "+j.policy())
	default:
		j.fine(check, "this identity may create, read and list, and neither delete nor change anything")
	}
}

func (j *bucketJudgement) policy() string {
	return "gcloud storage buckets get-iam-policy " + j.url()
}
