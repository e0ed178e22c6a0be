package testbed

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/openim-dr/openim-dr/internal/testbed/port"
)

// SeaweedFS is one whose servers are containers of their own, so that each can
// be stopped. It takes the testbed's keys.
type SeaweedFS struct {
	Endpoint string // http://host:port
	Filer    string // host:port of its HTTP
	volume   string
	client   *s3.Client
}

// StartSeaweedFS starts a master, a volume server, a filer and an S3 gateway.
func (e *Env) StartSeaweedFS(t testing.TB) *SeaweedFS {
	t.Helper()
	return e.startSeaweedFS(t, e.ownIdentity())
}

// StartOpenSeaweedFS starts one that takes any key, since it has no identities.
func (e *Env) StartOpenSeaweedFS(t testing.TB) *SeaweedFS {
	t.Helper()
	return e.startSeaweedFS(t)
}

// StartAnonymousSeaweedFS starts one that also takes whoever has no key, since that is
// what its identity "anonymous" means.
func (e *Env) StartAnonymousSeaweedFS(t testing.TB) *SeaweedFS {
	t.Helper()
	return e.startSeaweedFS(t, e.ownIdentity(), map[string]any{"name": "anonymous", "actions": []string{"Admin", "Read", "List"}})
}

// ownIdentity may do everything with the testbed's keys.
func (e *Env) ownIdentity() any {
	return map[string]any{
		"name": "test", "actions": []string{"Admin", "Read", "Write", "List", "Tagging"},
		"credentials": []any{map[string]string{"accessKey": e.S3AccessKey, "secretKey": e.S3SecretKey}},
	}
}

func (e *Env) startSeaweedFS(t testing.TB, identities ...any) *SeaweedFS {
	t.Helper()
	file := filepath.Join(t.TempDir(), "s3.json")
	data, err := json.Marshal(map[string]any{"identities": identities})
	if err == nil {
		err = os.WriteFile(file, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	ports := map[string]int{}
	for _, name := range []string{"master", "volume", "filer", "s3"} {
		ports[name], ports[name+".grpc"] = port.Choose(), port.Choose()
	}
	peer := func(name string) string { return fmt.Sprintf("127.0.0.1:%d.%d", ports[name], ports[name+".grpc"]) }
	start := func(name string, args ...string) string {
		t.Helper()
		args = append([]string{
			"run", "--detach", "--pull", "never", "--label", e.label, "--network", "host", "--volume", file + ":/etc/s3.json:ro",
			e.SeaweedFSImage, "-logtostderr=true", name, fmt.Sprintf("-port=%d", ports[name]), fmt.Sprintf("-port.grpc=%d", ports[name+".grpc"]), "-ip.bind=127.0.0.1",
		}, args...)
		id := docker(t.Context(), t, args...)
		t.Cleanup(func() { docker(cleanupContext(t), t, "rm", "--force", "--volumes", id) })
		return id
	}
	s := &SeaweedFS{Endpoint: "http://" + port.Address(ports["s3"]), Filer: port.Address(ports["filer"])}
	start("master", "-ip=127.0.0.1", "-mdir=/data", "-raftHashicorp", "-electionTimeout=1s", "-volumeSizeLimitMB=64")
	s.volume = start("volume", "-ip=127.0.0.1", "-dir=/data", "-max=50", "-mserver="+peer("master"))
	start("filer", "-ip=127.0.0.1", "-master="+peer("master"), "-defaultStoreDir=/data")
	gateway := []string{"-filer=" + peer("filer")}
	if len(identities) > 0 {
		gateway = append(gateway, "-config=/etc/s3.json")
	}
	start("s3", gateway...)
	s.client = e.S3At(t, s.Endpoint)
	s.await(t)
	return s
}

// StopVolumes kills the volume server, with every object's content on it.
func (s *SeaweedFS) StopVolumes(t testing.TB) { docker(t.Context(), t, "kill", s.volume) }

// StartVolumes starts it again.
func (s *SeaweedFS) StartVolumes(t testing.TB) {
	docker(t.Context(), t, "start", s.volume)
	s.await(t)
}

// await waits until an object can be written.
func (s *SeaweedFS) await(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), containerPatience)
	defer cancel()
	bucket := aws.String("probe")
	for {
		_, _ = s.client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}) // it may be there
		_, err := s.client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: bucket, Body: strings.NewReader("probe")})
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("wait for seaweedfs %s: %v", s.Endpoint, err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}
