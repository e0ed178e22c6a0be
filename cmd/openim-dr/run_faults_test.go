package main

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/openim-dr/openim-dr/internal/testbed"
	"github.com/openim-dr/openim-dr/internal/testbed/network"
)

// TestDaemonEndsInTime ends a daemon in the middle of a run, whose repository and whose
// source have fallen silent: it is gone before the kubelet would kill it.
func TestDaemonEndsInTime(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	var chart struct{ TerminationGracePeriodSeconds int }
	values, err := os.ReadFile("../../deploy/helm/openim-dr/values.yaml")
	if err == nil {
		err = yaml.Unmarshal(values, &chart)
	}
	if err != nil || chart.TerminationGracePeriodSeconds < 30 {
		t.Fatalf("the chart gives a daemon %d s to end (%v)", chart.TerminationGracePeriodSeconds, err)
	}
	grace := time.Duration(chart.TerminationGracePeriodSeconds) * time.Second

	storage := network.New(t, strings.TrimPrefix(env.VersitygwEndpoint, "http://"), "upstream", network.StallAll, math.MaxInt64)
	source := network.New(t, strings.TrimPrefix(env.S3Endpoint, "http://"), "upstream", network.StallAll, math.MaxInt64)
	bucket := testbed.NewBucketAt(t, env.S3At(t, env.VersitygwEndpoint))
	config := setUp(t, strings.ReplaceAll(daemonSources(t, env, env.NewBucket(t), newReceiver(t).configuration(t)+`
schedules:
- {name: media, cron: "@every 1s", sources: [media]}`), env.S3Endpoint, "http://"+source.Address()))
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(filepath.Dir(config), "repo")
	writeFile(t, config, strings.Replace(string(text), "url: "+dir, "url: s3://"+bucket+"/prod?endpoint=http://"+storage.Address(), 1))
	credentials := []string{"AWS_ACCESS_KEY_ID=" + env.S3AccessKey, "AWS_SECRET_ACCESS_KEY=" + env.S3SecretKey}
	initialise := exec.CommandContext(t.Context(), os.Args[0])
	initialise.Args, initialise.Env = []string{"openim-dr", "init", "--config", config}, append(os.Environ(), credentials...)
	if output, err := initialise.CombinedOutput(); err != nil {
		t.Fatalf("init: %v\n%s", err, output)
	}

	p := startDaemonWith(t, credentials, config)
	at := 0
	p.await(&at, "run ended well")
	p.await(&at, "source begun")
	storage.Rearm(1)
	source.Rearm(1)
	for late := time.Now().Add(daemonPatience); !storage.Struck() && !source.Struck(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatal("nothing has asked the source or the repository")
		}
	}
	p.signal(syscall.SIGTERM)
	began := time.Now()
	select {
	case <-p.ended:
		t.Logf("it took %s to end", time.Since(began).Round(time.Millisecond))
	case <-time.After(grace):
		t.Errorf("%s after it was told to end it is still there", grace)
	}
}
