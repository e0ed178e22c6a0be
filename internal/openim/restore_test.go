package openim

import (
	"path"
	"slices"
	"testing"
)

// The steps by hand are in the order in which they are due, each with what to do
// and why.
func TestStepsByHandAreInOrder(t *testing.T) {
	moments := []Moment{BeforeStop, EntryStopped, BeforeRelease, AfterRelease}
	at := 0
	seen := map[string]bool{}
	for _, step := range StepsByHand() {
		now := slices.Index(moments, step.When)
		if now < at || seen[step.Topic] || step.Do == "" || step.Why == "" {
			t.Errorf("%+v is out of order, twice or incomplete", step)
		}
		at, seen[step.Topic] = max(at, now), true
	}
	for _, topic := range []string{"sequence-numbers", "kafka-offsets", "kafka-lag", "mongodb", "gitops", "image-tags", "dns"} {
		if !seen[topic] {
			t.Errorf("nothing is said of %s", topic)
		}
	}
}

// Names as manifests and charts have them, and those of others.
func TestStages(t *testing.T) {
	tests := map[string]string{ // workload -> stage
		"openim-api": "entry", "im-openim-api": "entry", "openim-msggateway": "entry", "im-openim-msggateway": "entry",
		"openim-msggateway-proxy": "entry", "im-openim-msggateway-proxy": "entry",
		"openim-chat-api": "entry", "chat-api": "entry", "openim-admin-api": "entry", "im-chat-admin-api": "entry",
		"openim-msgtransfer": "transfer", "im-openim-msgtransfer": "transfer", "openim-push": "transfer", "openim-crontask": "transfer",
		"openim-rpc-auth": "rpc", "im-openim-rpc-user": "rpc", "openim-rpc-third": "rpc", "openim-chat-rpc": "rpc", "openim-admin-rpc": "rpc",
		"openim-mysql": "", "mongodb": "", "dragonfly": "", "openim-redis": "", "kafka": "", "seaweedfs-filer": "", "openim-web": "", "openim-admin-front": "", "api": "",
	}
	for name, want := range tests {
		got := ""
		for _, stage := range Stages() {
			matches := func(pattern string) bool {
				ok, err := path.Match(pattern, name)
				return ok && err == nil
			}
			if got == "" && slices.ContainsFunc(stage.Workloads, matches) {
				got = stage.Name
			}
		}
		if got != want {
			t.Errorf("%s is in stage %q, want %q", name, got, want)
		}
	}
}
