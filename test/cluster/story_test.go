//go:build cluster

package cluster

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestDeployment is the life of one deployment. Each step needs those before it.
func TestDeployment(t *testing.T) {
	c := start(t)
	for _, step := range []struct {
		name string
		do   func(*testing.T)
	}{
		{"OpenIM writes", c.openIMWrites},
		{"the repository is made", c.repositoryIsMade},
		{"a schedule fires and its point is complete", c.scheduleFires},
		{"helm test passes", c.helmTestPasses},
		{"the drill proves the newest point", c.drillProves},
		{"another daemon goes on when the leader is killed in a run", c.leaderIsKilled},
		{"OpenIM comes back when its namespace is lost", c.namespaceIsLost},
		{"an upgrade keeps state", c.upgradeKeepsState},
		{"the repository stays when the release goes", c.repositoryStays},
	} {
		if !t.Run(step.name, step.do) {
			t.FailNow()
		}
	}
}

func (c *cluster) openIMWrites(t *testing.T) {
	c.helm(t, "store", "testdata/backup-store", backupStore, map[string]string{"image": c.GCSImage})
	c.installOpenIM(t)
	c.must(t, c.openIM("fill", "50", "100000"))
}

func (c *cluster) repositoryIsMade(t *testing.T) {
	c.makeBucket(t)
	c.configure(t)
	if out := c.must(t, c.asOperator("init", "--signing-key", "/operator/chief.key")); !strings.Contains(out, "RECOVERY KIT") {
		t.Errorf("init printed no recovery kit: %s", out)
	}
}

func (c *cluster) scheduleFires(t *testing.T) {
	c.installDaemon(t)
	_, log := c.leader(t)
	log.await(t, 0, runEnded, `"often"`)
	c.requireComplete(t, c.newest(t))
}

func (c *cluster) helmTestPasses(t *testing.T) {
	c.RunHelm(t, "test", home, "--namespace", home, "--timeout", "100s")
}

func (c *cluster) requireComplete(t *testing.T, p point) {
	t.Helper()
	if !p.Complete || p.Stream != "often" || !slices.Equal(p.Sources, []string{"main", "media", "cluster"}) {
		t.Errorf("point %s of stream %s: complete %t, with %v; want a complete one of often with main, media and cluster", p.ID, p.Stream, p.Complete, p.Sources)
	}
}

func (c *cluster) leaderIsKilled(t *testing.T) {
	leader, log := c.leader(t)
	// So much that the next run is at work for some ten seconds.
	c.must(t, c.openIM("fill", "150", "200000"))
	var begun struct{ Point string }
	decode(t, log.line(log.await(t, log.count(), sourceBegun, `"media"`)), &begun)

	if killed := c.Kill(t, leader.UID); killed == 0 {
		t.Fatal("the leader has no processes")
	}
	if err := c.client.CoreV1().Pods(home).Delete(t.Context(), leader.Name, *metav1.NewDeleteOptions(0)); err != nil {
		t.Fatal(err)
	}
	_, log = c.leader(t, leader)
	log.await(t, 0, runEnded, `"often"`)
	points := c.points(t)
	if slices.ContainsFunc(points, func(p point) bool { return p.ID == begun.Point }) {
		t.Errorf("the run that was killed has left the point %s", begun.Point)
	}
	c.requireComplete(t, points[len(points)-1])
	c.must(t, c.command("check"))
}

// drillProves starts the Job of the restore test's CronJob, as its time does.
func (c *cluster) drillProves(t *testing.T) {
	c.secret(t, drillHome, "drill-keys", map[string]string{
		"catalog.key": c.read(t, "catalog.key"), "drill.key": c.read(t, "drill.key"), "drill-signing.key": c.read(t, "prover.key"),
	})
	jobs, newest := c.client.BatchV1().Jobs(drillHome), c.newest(t)
	monthly, err := c.client.BatchV1().CronJobs(drillHome).Get(t.Context(), "openim-dr-drill", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "drill-now"}, Spec: monthly.Spec.JobTemplate.Spec}
	if _, err := jobs.Create(t.Context(), job, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	await(t, "the drill has ended", func(ctx context.Context) (string, bool, error) {
		now, err := jobs.Get(ctx, job.Name, metav1.GetOptions{})
		if err != nil {
			return "", false, err
		}
		if now.Status.Failed > 0 {
			return "", false, errors.New("the drill has failed")
		}
		return now.Status.String(), now.Status.Succeeded > 0, nil
	})
	proven := slices.DeleteFunc(c.points(t), func(p point) bool { return !p.Proven })
	if len(proven) != 1 || proven[0].ID < newest.ID {
		t.Errorf("proven are %v, want one that is no older than %s", proven, newest.ID)
	}
}

// audit requires that nothing is lost of what was acknowledged before a time.
func (c *cluster) audit(t *testing.T, before time.Time) {
	t.Helper()
	var found struct {
		Rows, Objects int
		Lost          []string
	}
	decode(t, c.must(t, c.openIM("audit", before.Format(time.RFC3339Nano))), &found)
	if len(found.Lost) > 0 || found.Rows == 0 || found.Objects == 0 {
		t.Errorf("of %d rows and %d objects that were acknowledged before %s, %d are lost: %s", found.Rows, found.Objects, before, len(found.Lost), found.Lost[:min(5, len(found.Lost))])
	}
	t.Logf("%d rows and %d objects that were acknowledged before %s are there", found.Rows, found.Objects, before)
}

// namespaceIsLost deletes all of OpenIM: workloads, Secrets, database and bucket.
// An operator brings it back: first what the cluster was told, by which the release
// can be installed again with empty stores, and then these.
func (c *cluster) namespaceIsLost(t *testing.T) {
	newest := c.newest(t)
	c.remove(t, openim)

	c.grantRestore(t)
	c.restore(t, newest.ID, "--source", "cluster")
	c.installOpenIM(t)
	c.must(t, c.openIM("fill", "1", "20000")) // people are back at once, and write
	c.restore(t, newest.ID, "--source", "main", "--source", "media", "--quiesce", "--no-rollback-point",
		"--overwrite", "mysql/openim-mysql.openim:3306/openIM_v3", "--overwrite", "bucket/openim-seaweedfs.openim:8333/openim")
	c.audit(t, newest.Time)
}

// grantRestore lets the operator's account do what a restore takes. The roles in
// OpenIM's namespace went with it.
func (c *cluster) grantRestore(t *testing.T) {
	t.Helper()
	c.helm(t, "rights", "testdata/raw", openim, map[string]string{
		"text": c.local(t, "config", "rbac", "--config", c.dir+"/config.yaml", "--service-account", home+"/operator", "--for", "restore,quiesce"),
	})
}

func (c *cluster) restore(t *testing.T, id string, args ...string) {
	t.Helper()
	k := c.asOperator(append([]string{"restore", id, "--identity", "/operator/operator.key", "--yes"}, args...)...)
	k.account = "operator"
	c.must(t, k)
}

// upgradeKeepsState upgrades to pods of another kind. They go on where those before
// have ended, and have the rights again that went with OpenIM's namespace.
func (c *cluster) upgradeKeepsState(t *testing.T) {
	old, err := c.daemons(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	before := c.newest(t)
	c.installDaemon(t, "--set", "podLabels.upgraded=yes")
	_, log := c.leader(t, old...)
	log.await(t, 0, runEnded, `"often"`)
	after := c.newest(t)
	c.requireComplete(t, after)
	if after.Seq <= before.Seq {
		t.Errorf("the newest point is number %d of its stream, and was %d before the upgrade", after.Seq, before.Seq)
	}
}

func (c *cluster) repositoryStays(t *testing.T) {
	before := c.files(t)
	c.RunHelm(t, "uninstall", home, "--namespace", home, "--wait")
	after := c.files(t)
	for _, name := range before {
		if !slices.Contains(after, name) {
			t.Errorf("%s is gone", name)
		}
	}
	c.must(t, c.command("check"))
}
