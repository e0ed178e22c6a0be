//go:build cluster

package cluster

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	"github.com/openim-dr/openim-dr/internal/testbed"
)

const (
	openim      = "openim"       // the namespace that is backed up, and the release in it
	backupStore = "backup-store" // where the bucket of the repository is
	home        = "openim-dr"    // the daemon's namespace, and its release
	drillHome   = "openim-dr-drill"
	bucket      = "backups"
	configFile  = "/config/openim-dr.yaml"
	emulator    = "http://gcs." + backupStore + ".svc:4443"
)

// cluster is the node with what the tests know of what runs there.
type cluster struct {
	*testbed.Node

	client  kubernetes.Interface
	program string // openim-dr on this machine
	image   string // and in the node

	dir           string // of keys, values and configuration
	journal       string // directory on the node, which no other run has written to
	mysqlPassword string
	accessKey     string
	secretKey     string
}

// start finds the node, which is empty.
func start(t *testing.T) *cluster {
	node := testbed.NeedNode(t)
	c := &cluster{
		Node: node, client: node.Kubernetes(t), program: os.Getenv("OPENIM_DR"), image: os.Getenv("OPENIM_DR_IMAGE"),
		dir: t.TempDir(), journal: "/var/log/openim-" + rand.Text(), mysqlPassword: rand.Text(), accessKey: rand.Text(), secretKey: rand.Text(),
	}
	if c.program == "" || c.image == "" {
		t.Fatal("OPENIM_DR and OPENIM_DR_IMAGE name the program and the image; `make test-cluster` sets them")
	}
	t.Cleanup(func() {
		if t.Failed() {
			c.describe(t)
		}
		c.remove(t, openim, home, drillHome, backupStore)
	})
	return c
}

// remove removes namespaces and waits until nothing of them is left.
func (c *cluster) remove(t *testing.T, names ...string) {
	t.Helper()
	ctx, stop := context.WithTimeout(context.WithoutCancel(t.Context()), patience) // also used to clean up
	defer stop()
	namespaces := c.client.CoreV1().Namespaces()
	for _, name := range names {
		if err := namespaces.Delete(ctx, name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			t.Fatal(err)
		}
	}
	for _, name := range names {
		err := wait.PollUntilContextCancel(ctx, interval, true, func(ctx context.Context) (bool, error) {
			_, err := namespaces.Get(ctx, name, metav1.GetOptions{})
			return apierrors.IsNotFound(err), nil
		})
		if err != nil {
			t.Fatalf("wait until namespace %s is gone: %v", name, err)
		}
	}
}

// describe says what there is when a test has failed.
func (c *cluster) describe(t *testing.T) {
	ctx := context.WithoutCancel(t.Context())
	pods, err := c.client.CoreV1().Pods("").List(ctx, metav1.ListOptions{})
	if err != nil {
		t.Log(err)
		return
	}
	for _, pod := range pods.Items {
		for _, s := range pod.Status.ContainerStatuses {
			options := &corev1.PodLogOptions{Container: s.Name, TailLines: new(int64)}
			*options.TailLines = 15
			text, err := c.client.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, options).DoRaw(ctx)
			t.Logf("%s/%s %s is %s, ready %t, restarts %d, log %v:\n%s", pod.Namespace, pod.Name, s.Name, pod.Status.Phase, s.Ready, s.RestartCount, err, text)
		}
	}
}

// store asks the emulator, through the API server.
func (c *cluster) store(ctx context.Context, method, path, body string) ([]byte, error) {
	at := "/api/v1/namespaces/" + backupStore + "/services/gcs:4443/proxy/storage/v1" + path
	return c.client.CoreV1().RESTClient().Verb(method).AbsPath(at).SetHeader("Content-Type", "application/json").Body([]byte(body)).DoRaw(ctx)
}

// files are the names of all files of the repository.
func (c *cluster) files(t *testing.T) []string {
	t.Helper()
	var names []string
	for token := ""; ; {
		path := "/b/" + bucket + "/o?pageToken=" + token
		data, err := c.client.CoreV1().RESTClient().Get().RequestURI("/api/v1/namespaces/" + backupStore + "/services/gcs:4443/proxy/storage/v1" + path).DoRaw(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var page struct {
			Items         []struct{ Name string }
			NextPageToken string
		}
		if err := json.Unmarshal(data, &page); err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Items {
			names = append(names, item.Name)
		}
		if token = page.NextPageToken; token == "" {
			return names
		}
	}
}

// helm installs a chart, or upgrades it, and waits until its pods are ready. Values
// that are given by name go through files, since an argument can be read by all.
func (c *cluster) helm(t *testing.T, release, chart, namespace string, values map[string]string, args ...string) {
	t.Helper()
	args = append([]string{"upgrade", "--install", release, chart, "--namespace", namespace, "--create-namespace", "--wait", "--timeout", "100s"}, args...)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		file := filepath.Join(t.TempDir(), "value")
		if err := os.WriteFile(file, []byte(values[name]), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--set-file", name+"="+file)
	}
	c.RunHelm(t, args...)
}

// local runs openim-dr on this machine and returns what it prints.
func (c *cluster) local(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), c.program, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("openim-dr %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	return string(out)
}

func (c *cluster) read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(c.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// makeKeys makes all keys and returns the public half of each.
func (c *cluster) makeKeys(t *testing.T) map[string]string {
	t.Helper()
	public := map[string]string{}
	for name, kind := range map[string]string{"operator": "operator", "drill": "drill", "catalog": "catalog", "signing": "signing", "chief": "signing", "prover": "signing"} {
		var made struct{ Recipient, PublicKey string }
		if err := json.Unmarshal([]byte(c.local(t, "keygen", kind, "--out", filepath.Join(c.dir, name+".key"), "-o", "json")), &made); err != nil {
			t.Fatal(err)
		}
		public[name] = made.Recipient + made.PublicKey
	}
	return public
}

// configure writes the values of the chart, and makes the Secrets of the daemon and of
// the operator.
func (c *cluster) configure(t *testing.T) {
	t.Helper()
	public := c.makeKeys(t)
	text, err := os.ReadFile(filepath.Join("testdata", "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	repository, tag, _ := strings.Cut(c.image, ":")
	values := strings.NewReplacer("$OPERATOR", public["operator"], "$DRILL", public["drill"], "$SIGNER", public["signing"],
		"$CHIEF", public["chief"], "$PROVER", public["prover"], "$IMAGE", repository, "$TAG", strconv.Quote(tag),
		"$EMULATOR", emulator, "$MYSQL", c.MySQLImage, "$SEAWEEDFS", c.SeaweedFSImage).Replace(string(text))
	var parsed struct {
		Config map[string]any `json:"config"`
	}
	if err := yaml.Unmarshal([]byte(values), &parsed); err != nil {
		t.Fatal(err)
	}
	config, err := yaml.Marshal(parsed.Config)
	if err != nil {
		t.Fatal(err)
	}
	c.write(t, "values.yaml", values)
	c.write(t, "config.yaml", string(config))

	c.namespace(t, home)
	c.secret(t, home, "config", map[string]string{"openim-dr.yaml": string(config)})
	c.secret(t, home, "keys", map[string]string{
		"catalog.key": c.read(t, "catalog.key"), "signing.key": c.read(t, "signing.key"),
		"MYSQL_PASSWORD": c.mysqlPassword, "S3_ACCESS_KEY": c.accessKey, "S3_SECRET_KEY": c.secretKey,
	})
	c.secret(t, home, "operator", map[string]string{"operator.key": c.read(t, "operator.key"), "chief.key": c.read(t, "chief.key")})
}

// namespace makes one that admits pods without any privilege alone.
func (c *cluster) namespace(t *testing.T, name string) {
	t.Helper()
	_, err := c.client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name:   name,
		Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

func (c *cluster) secret(t *testing.T, namespace, name string, data map[string]string) {
	t.Helper()
	_, err := c.client.CoreV1().Secrets(namespace).Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, StringData: data}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

func (c *cluster) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// command is openim-dr in a pod of its own, with what the daemon has.
func (c *cluster) command(args ...string) task {
	return task{
		namespace: home, image: c.image, args: append(args, "--config", configFile, "--log-level", "error", "--no-progress"),
		secrets: map[string]string{"/config": "config", "/etc/openim-dr": "keys"},
		env: []corev1.EnvVar{
			{Name: "STORAGE_EMULATOR_HOST", Value: emulator}, fromKeys("MYSQL_PASSWORD"), fromKeys("S3_ACCESS_KEY"), fromKeys("S3_SECRET_KEY"),
		},
	}
}

// asOperator is a command with the operator's keys.
func (c *cluster) asOperator(args ...string) task {
	k := c.command(args...)
	k.secrets["/operator"] = "operator"
	return k
}

func fromKeys(name string) corev1.EnvVar {
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: "keys"}, Key: name,
	}}}
}

// point is a line of `openim-dr list`.
type point struct {
	ID       string
	Time     time.Time // when its run began
	Stream   string
	Seq      int64
	Complete bool
	Proven   bool
	Sources  []string
}

// points lists them, the oldest first.
func (c *cluster) points(t *testing.T) []point {
	t.Helper()
	var points []point
	decode(t, c.must(t, c.command("list", "-o", "json")), &points)
	return points
}

// newest is the last of the points.
func (c *cluster) newest(t *testing.T) point {
	t.Helper()
	points := c.points(t)
	if len(points) == 0 {
		t.Fatal("there are no points")
	}
	return points[len(points)-1]
}

func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}

// daemons are the pods of the daemon that run.
func (c *cluster) daemons(ctx context.Context) ([]corev1.Pod, error) {
	pods, err := c.client.CoreV1().Pods(home).List(ctx, metav1.ListOptions{LabelSelector: daemonLabel})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(pods.Items, func(p corev1.Pod) bool { return p.DeletionTimestamp != nil || p.Status.Phase != corev1.PodRunning }), nil
}

// leader waits until one of the daemons leads that are none of those before, and
// returns it and its log.
func (c *cluster) leader(t *testing.T, before ...corev1.Pod) (leader corev1.Pod, log *follower) {
	t.Helper()
	logs := map[types.UID]*follower{}
	await(t, "a daemon leads", func(ctx context.Context) (string, bool, error) {
		pods, err := c.daemons(ctx)
		if err != nil {
			return "", false, err
		}
		for _, pod := range pods {
			if slices.ContainsFunc(before, func(p corev1.Pod) bool { return p.UID == pod.UID }) {
				continue
			}
			if logs[pod.UID] == nil {
				logs[pod.UID] = c.follow(t, home, pod.Name)
			}
			if logs[pod.UID].after(0, leads) > 0 {
				leader, log = pod, logs[pod.UID]
				return "", true, nil
			}
		}
		return fmt.Sprint(logs), false, nil
	})
	return leader, log
}

const (
	daemonLabel = "app.kubernetes.io/component=daemon"
	leads       = "this daemon leads"
	sourceBegun = "source begun"
	runEnded    = "schedule: run ended well"
)

// openIM is the pod of the stand-in that does something else than to serve.
func (c *cluster) openIM(args ...string) task {
	return task{
		namespace: openim, image: c.OpenIMImage, args: args, journal: c.journal,
		env: []corev1.EnvVar{
			{Name: "MYSQL_ADDRESS", Value: "openim-mysql:3306"}, {Name: "MYSQL_PASSWORD", Value: c.mysqlPassword},
			{Name: "S3_ENDPOINT", Value: "http://openim-seaweedfs:8333"},
			{Name: "S3_ACCESS_KEY", Value: c.accessKey}, {Name: "S3_SECRET_KEY", Value: c.secretKey},
			{Name: "JOURNAL", Value: "/journal"},
		},
	}
}

// installOpenIM installs the release that is backed up, or mends it.
func (c *cluster) installOpenIM(t *testing.T) {
	t.Helper()
	c.helm(t, openim, "testdata/openim", openim, map[string]string{
		"images.mysql": c.MySQLImage, "images.seaweedfs": c.SeaweedFSImage, "images.openim": c.OpenIMImage,
		"mysqlPassword": c.mysqlPassword, "s3.accessKey": c.accessKey, "s3.secretKey": c.secretKey,
		"journal": c.journal,
	})
}

// installDaemon installs openim-dr, or upgrades it.
func (c *cluster) installDaemon(t *testing.T, args ...string) {
	t.Helper()
	c.helm(t, home, "../../deploy/helm/openim-dr", home, nil, append([]string{"--values", filepath.Join(c.dir, "values.yaml")}, args...)...)
}

func (c *cluster) makeBucket(t *testing.T) {
	t.Helper()
	if _, err := c.store(t.Context(), http.MethodPost, "/b", `{"name": "`+bucket+`"}`); err != nil {
		t.Fatal(err)
	}
}
