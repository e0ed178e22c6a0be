package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// incident is a deployment with a point, to which something happens.
type incident struct {
	*seeded
	repo, config string
	kit          kit
	before       map[string]string // what the servers held
}

func newIncident(t *testing.T) *incident {
	t.Helper()
	i := &incident{seeded: seedDeployment(t)}
	var made struct{ Kit kit }
	i.repo, i.config = i.repositoryThat(t, func(init outcome) { init.into(t, &made) })
	i.kit = made.Kit
	i.run(t, "backup", "--config", i.config).ok(t)
	i.before = i.holds(t)
	return i
}

// holds asks the servers themselves what they hold: checksums of tables, of
// objects' content and of Secrets and ConfigMaps.
func (i *incident) holds(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, schema := range []string{i.stores.Schemas.Server, i.stores.Schemas.Chat} {
		maps.Copy(all, i.tablesOf(t, schema))
	}
	maps.Copy(all, i.objectsOf(t, i.stores.Bucket))
	for _, namespace := range i.stores.Namespaces {
		maps.Copy(all, i.documentsOf(t, namespace))
	}
	return all
}

func (i *incident) tablesOf(t *testing.T, schema string) map[string]string {
	t.Helper()
	rows, err := i.stores.DB.QueryContext(t.Context(), "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_TYPE = 'BASE TABLE' AND TABLE_SCHEMA = ?", schema)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	all := map[string]string{}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		var table, sum string
		if err := i.stores.DB.QueryRowContext(t.Context(), "CHECKSUM TABLE "+schema+"."+name+" EXTENDED").Scan(&table, &sum); err != nil {
			t.Fatal(err)
		}
		all["table "+schema+"."+name] = sum
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func (i *incident) objectsOf(t *testing.T, bucket string) map[string]string {
	t.Helper()
	all := map[string]string{}
	pages := s3.NewListObjectsV2Paginator(i.stores.S3, &s3.ListObjectsV2Input{Bucket: &bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			object, err := i.stores.S3.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: o.Key})
			if err != nil {
				t.Fatal(err)
			}
			sum := sha256.New()
			if _, err := io.Copy(sum, object.Body); err != nil {
				t.Fatal(err)
			}
			object.Body.Close()
			all["object "+aws.ToString(o.Key)] = fmt.Sprintf("%x %s", sum.Sum(nil), aws.ToString(object.ContentType))
		}
	}
	return all
}

func (i *incident) documentsOf(t *testing.T, namespace string) map[string]string {
	t.Helper()
	all := map[string]string{}
	secrets, err := i.stores.Kubernetes.CoreV1().Secrets(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range secrets.Items {
		all["secret "+namespace+"/"+s.Name] = fmt.Sprintf("%x", sha256.Sum256(fmt.Append(nil, s.Type, s.Data)))
	}
	configMaps, err := i.stores.Kubernetes.CoreV1().ConfigMaps(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range configMaps.Items {
		if c.Name != "kube-root-ca.crt" { // the cluster makes it
			all["config map "+namespace+"/"+c.Name] = fmt.Sprint(c.Data, c.BinaryData)
		}
	}
	return all
}

// requireBefore requires that the servers hold what they held.
func (i *incident) requireBefore(t *testing.T) {
	t.Helper()
	if diff := cmp.Diff(i.before, i.holds(t)); diff != "" {
		t.Errorf("the servers hold something else than before (-want +got):\n%s", diff)
	}
}

func (i *incident) exec(t *testing.T, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if _, err := i.stores.DB.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// restore runs the verb with the configuration and the operator's key.
func (i *incident) restore(t *testing.T, args ...string) outcome {
	t.Helper()
	return i.run(t, append([]string{"restore", "--config", i.config, "--identity", filepath.Join(i.dir, "operator.key"), "-o", "json"}, args...)...)
}

// emptyBucket removes every object, and the bucket.
func (i *incident) emptyBucket(t *testing.T) {
	t.Helper()
	for name := range i.objectsOf(t, i.stores.Bucket) {
		key := strings.TrimPrefix(name, "object ")
		if _, err := i.stores.S3.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &i.stores.Bucket, Key: &key}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := i.stores.S3.DeleteBucket(t.Context(), &s3.DeleteBucketInput{Bucket: &i.stores.Bucket}); err != nil {
		t.Fatal(err)
	}
}

// restored is what the verb prints.
type restored struct {
	Restore       string
	Equal         bool
	RTOSeconds    float64
	RollbackPoint *string
	Sources       []struct {
		Name string
		Lost []struct{ Object, What, Offer string }
	}
}

func TestDroppedTable(t *testing.T) {
	t.Parallel()
	i := newIncident(t)
	i.exec(t, "DROP TABLE "+i.stores.Schemas.Server+".chat_logs")
	var result restored
	i.restore(t, "--include", "main/"+i.stores.Schemas.Server+".chat_logs").ok(t).into(t, &result)
	if !result.Equal || result.RollbackPoint != nil {
		t.Errorf("%+v", result)
	}
	i.requireBefore(t)
}

func TestLostDatabaseAndLostBucket(t *testing.T) {
	t.Parallel()
	i := newIncident(t)
	i.exec(t, "DROP DATABASE "+i.stores.Schemas.Server, "DROP DATABASE "+i.stores.Schemas.Chat)
	i.restore(t, "--source", "main").ok(t)
	i.emptyBucket(t)
	i.restore(t, "--source", "media").ok(t)
	i.requireBefore(t)
}

// Wrong data is overwritten with an older state; what was there, and all that
// was right in it, is kept as a rollback point, and can be had back.
func TestWrongDataWrittenForAWhile(t *testing.T) {
	t.Parallel()
	i := newIncident(t)
	schema := i.stores.Schemas.Server
	var points []struct {
		ID   string
		Time string
	}
	i.exec(t, "UPDATE "+schema+".users SET name = 'wrong'")
	key := "written/meanwhile"
	if _, err := i.stores.S3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &i.stores.Bucket, Key: &key, Body: strings.NewReader("new")}); err != nil {
		t.Fatal(err)
	}
	i.run(t, "backup", "--config", i.config).ok(t) // the wrong data are in the newest point
	wrong := i.holds(t)
	i.run(t, "list", "--config", i.config, "-o", "json").ok(t).into(t, &points)

	refused := i.restore(t, points[0].ID, "--source", "main")
	if refused.code != 4 {
		t.Fatalf("a live target: exit code %d", refused.code)
	}
	again := regexp.MustCompile(`--overwrite mysql/\S+/` + schema + `\b`).FindString(refused.stdout)
	if again == "" {
		t.Fatalf("the refusal does not say what would overwrite %s:\n%s", schema, refused.stdout)
	}
	_, target, _ := strings.Cut(again, " ")
	chat := strings.TrimSuffix(target, schema) + i.stores.Schemas.Chat
	var result restored
	i.restore(t, points[0].ID, "--source", "main", "--overwrite", target, "--overwrite", chat).ok(t).into(t, &result)
	if !result.Equal || result.RollbackPoint == nil {
		t.Fatalf("%+v", result)
	}
	delete(wrong, "object "+key)
	got := i.holds(t)
	delete(got, "object "+key)
	if diff := cmp.Diff(i.before, got); diff != "" {
		t.Errorf("after the restore (-want +got):\n%s", diff)
	}
	i.restore(t, *result.RollbackPoint, "--source", "main", "--overwrite", target, "--overwrite", chat, "--no-rollback-point").ok(t)
	got = i.holds(t)
	delete(got, "object "+key)
	if diff := cmp.Diff(wrong, got); diff != "" {
		t.Errorf("after the rollback (-want +got):\n%s", diff)
	}
	i.run(t, "list", "--config", i.config, "-o", "json").ok(t).into(t, &points)
	var latest struct{ Point string }
	i.run(t, "show", "latest", "--config", i.config, "-o", "json").ok(t).into(t, &latest)
	if latest.Point != points[1].ID || len(points) != 3 || points[2].ID != *result.RollbackPoint {
		t.Errorf("latest is %s of %v", latest.Point, points)
	}
}

// The recovery kit, the static program and an identity bring everything back on
// a machine that has nothing else: the commands of the kit are run as printed.
func TestRecoveryKitOnAnEmptyMachine(t *testing.T) {
	t.Parallel()
	i := newIncident(t)
	machine := i.emptyMachine(t)
	i.exec(t, "DROP DATABASE "+i.stores.Schemas.Server, "DROP DATABASE "+i.stores.Schemas.Chat)
	i.emptyBucket(t)
	for _, namespace := range i.stores.Namespaces {
		i.emptyNamespace(t, namespace)
	}
	if len(i.kit.Commands) != 3 {
		t.Fatalf("the kit has the commands %q", i.kit.Commands)
	}
	for _, command := range i.kit.Commands {
		cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", command)
		cmd.Dir, cmd.Env = machine, []string{"PATH=" + machine, "HOME=" + machine}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
	i.requireBefore(t)
}

// emptyMachine is a directory with the program, the operator's key and the
// servers to restore to.
func (i *incident) emptyMachine(t *testing.T) string {
	t.Helper()
	machine := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", filepath.Join(machine, "openim-dr"), ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(i.config)
	if err != nil {
		t.Fatal(err)
	}
	_, sources, _ := strings.Cut(string(text), "\nsources:\n")
	target := strings.ReplaceAll(strings.ReplaceAll(sources, "  - {", "- {"), i.dir, machine)
	if err := os.WriteFile(filepath.Join(machine, "target.yaml"), []byte(target), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"operator.key", "mysql.password", "s3.access", "s3.secret"} {
		data, err := os.ReadFile(filepath.Join(i.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(machine, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return machine
}

func (i *incident) emptyNamespace(t *testing.T, namespace string) {
	t.Helper()
	err := i.stores.Kubernetes.CoreV1().Secrets(namespace).DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{})
	if err == nil {
		err = i.stores.Kubernetes.CoreV1().ConfigMaps(namespace).DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// While a restore overwrites the database, what writes to it is stopped; stale
// keys of the cache go, those that exist nowhere else stay, and everything runs
// again at the end, or at a word where the restore did not get there.
func TestRestoreWithQuiesce(t *testing.T) {
	t.Parallel()
	i := newIncident(t)
	running := i.env.NewWorkloads(t, i.stores.Namespaces[0])
	running.Deployment(t, "openim-api", 2)
	running.Deployment(t, "openim-rpc-user", 3)
	running.StatefulSet(t, "openim-msggateway", 1)
	server := i.env.StartRedis(t)
	cached := server.Open(t, 0)
	user, sequence := "USER_INFO:u1", "MAX_SEQ:si_u1_u2"
	for _, key := range []string{user, sequence} {
		if err := cached.Set(t.Context(), key, "1", 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(i.dir, "redis.password"), []byte(server.Password), 0o600); err != nil {
		t.Fatal(err)
	}
	i.configure(t, fmt.Sprintf("quiesce: {namespaces: [%s], timeout: 1m}\ncaches: [{name: dragonfly, address: %q, password: \"file:%s/redis.password\"}]\n",
		running.Namespace, server.Address, i.dir))
	i.exec(t, "DROP DATABASE "+i.stores.Schemas.Server, "DROP DATABASE "+i.stores.Schemas.Chat)
	order := []string{"--source", "main", "--quiesce", "--purge-caches"}

	var plan struct {
		Steps  []struct{ Action, Target string }
		ByHand []string
	}
	i.restore(t, append(order, "--plan")...).ok(t).into(t, &plan)
	if len(plan.Steps) < 5 || !strings.Contains(plan.Steps[0].Target, "openim-") || len(plan.ByHand) == 0 {
		t.Errorf("the plan: %+v", plan)
	}
	var result restored
	i.restore(t, order...).ok(t).into(t, &result)
	i.requireBefore(t)
	if got := i.replicas(t, running.Namespace); !maps.Equal(got, map[string]int32{"openim-api": 2, "openim-rpc-user": 3, "openim-msggateway": 1}) {
		t.Errorf("afterwards there are %v replicas", got)
	}
	if n, err := cached.Exists(t.Context(), user).Result(); err != nil || n != 0 {
		t.Errorf("the stale key is there still: %d, %v", n, err)
	}
	if n, err := cached.Exists(t.Context(), sequence).Result(); err != nil || n != 1 {
		t.Errorf("a key that exists nowhere else is gone: %d, %v", n, err)
	}

	flip(t, i.chunkOf(t, "friends"))
	i.exec(t, "DROP DATABASE "+i.stores.Schemas.Server, "DROP DATABASE "+i.stores.Schemas.Chat)
	if failed := i.restore(t, order...); failed.code != 3 {
		t.Fatalf("a damaged point: exit code %d", failed.code)
	}
	if got := i.replicas(t, running.Namespace); got["openim-api"] != 0 || got["openim-rpc-user"] != 0 {
		t.Errorf("after a failure something runs: %v", got)
	}
	i.run(t, "restore", "--release", "--config", i.config).ok(t)
	if got := i.replicas(t, running.Namespace); got["openim-api"] != 2 || got["openim-rpc-user"] != 3 {
		t.Errorf("released, there are %v replicas", got)
	}
}

// replicas says how many each workload shall have.
func (i *incident) replicas(t *testing.T, namespace string) map[string]int32 {
	t.Helper()
	apps := i.stores.Kubernetes.AppsV1()
	all := map[string]int32{}
	deployments, err := apps.Deployments(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range deployments.Items {
		all[d.Name] = *d.Spec.Replicas
	}
	sets, err := apps.StatefulSets(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sets.Items {
		all[s.Name] = *s.Spec.Replicas
	}
	return all
}

// configure adds to the configuration.
func (i *incident) configure(t *testing.T, text string) {
	t.Helper()
	data, err := os.ReadFile(i.config)
	if err == nil {
		err = os.WriteFile(i.config, append(data, text...), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// chunkOf returns a chunk of a table in the newest point.
func (i *incident) chunkOf(t *testing.T, table string) string {
	t.Helper()
	chunks, err := filepath.Glob(filepath.Join(i.repo, "points", "*", "main", "*", table, "*.tsv.zst.age"))
	if err != nil || len(chunks) == 0 {
		t.Fatalf("no chunk of table %s: %v", table, err)
	}
	return chunks[len(chunks)-1]
}
