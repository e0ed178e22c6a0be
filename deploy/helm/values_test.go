package helm

import (
	"context"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/openim-dr/openim-dr/internal/testbed"
)

// refused renders the chart, which has to fail, and returns why.
func refused(t *testing.T, env *testbed.Env, arguments ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	output, err := exec.CommandContext(ctx, env.Helm, append([]string{"template", release, chart, "--namespace", inNamespace}, arguments...)...).CombinedOutput()
	if err == nil {
		t.Fatal("it is rendered, and should be refused")
	}
	return string(output)
}

func TestWrongValuesAreRefused(t *testing.T) {
	env := testbed.Need(t)
	for name, tt := range map[string]struct{ set, want string }{
		"an unknown key":                  {"replica=2", "replica"},
		"three daemons":                   {"replicas=3", "replicas"},
		"no configuration":                {"config=null", "config is empty"},
		"no schedules":                    {"config.schedules=null", "config.schedules is empty"},
		"a digest that is none":           {"image.digest=latest", "digest"},
		"an alert that there is not":      {"monitoring.prometheusRule.enabled=true,monitoring.prometheusRule.overrides.OpenimDrSleepy.enabled=false", "no alert OpenimDrSleepy"},
		"two ways of giving secrets":      {"secret.existing=a,secret.data.b=c", "exclusive"},
		"a drill beside the daemon":       {"drill.enabled=true,drill.namespace=openim-dr", "whoever reads Secrets there"},
		"a privileged port":               {"http.port=80", "port"},
		"an account that nobody has made": {"serviceAccount.create=false", "serviceAccount.name"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			said := refused(t, env, append(values("testdata/1-as-documented.yaml"), "--set", tt.set)...)
			if !strings.Contains(said, tt.want) {
				t.Errorf("it says %q, want %q in it", said, tt.want)
			}
		})
	}
}

// TestValuesExplainThemselves: a comment is above every key that is not plain Kubernetes.
func TestValuesExplainThemselves(t *testing.T) {
	text, err := os.ReadFile("openim-dr/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	schema, err := os.ReadFile("openim-dr/values.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range regexp.MustCompile(`(?m)^(\w+):`).FindAllStringSubmatch(string(text), -1) {
		if !strings.Contains(string(schema), `    "`+key[1]+`": {`) {
			t.Errorf("the schema of values does not know %s", key[1])
		}
	}
	if n := strings.Count(string(text), "# -- "); n < 40 {
		t.Errorf("%d values are explained", n)
	}
}

// podOf is the pod that the daemon has, or the drill.
func podOf(t *testing.T, all rendered, kind, name string) corev1.PodSpec {
	t.Helper()
	u := all.the(t, kind, name)
	if kind == "CronJob" {
		return as[batchv1.CronJob](t, u).Spec.JobTemplate.Spec.Template.Spec
	}
	return as[appsv1.Deployment](t, u).Spec.Template.Spec
}

// secretKeys are the variables of a container that come from a Secret.
func secretKeys(c corev1.Container, secret string) (names []string) {
	for _, e := range c.Env {
		if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil && e.ValueFrom.SecretKeyRef.Name == secret {
			names = append(names, e.Name)
		}
	}
	return names
}

func TestSecretsOfTheConfigurationAreVariables(t *testing.T) {
	env := testbed.Need(t)
	pod := podOf(t, render(t, env, "testdata/1-as-documented.yaml"), "Deployment", "openim-dr")
	if got, want := secretKeys(pod.Containers[0], "openim-dr-keys"), []string{"MYSQL_PASSWORD", "S3_ACCESS_KEY", "S3_SECRET_KEY"}; !slices.Equal(got, want) {
		t.Errorf("variables %q come from the Secret, want %q", got, want)
	}
	pod = podOf(t, render(t, env, "testdata/13-other-places.yaml"), "Deployment", "openim-dr")
	if got := secretKeys(pod.Containers[0], "openim-dr"); !slices.Contains(got, "AWS_SECRET_ACCESS_KEY") || !slices.Contains(got, "REDIS_PASSWORD") {
		t.Errorf("variables %q come from the Secret: those of S3 and of the cache are missing", got)
	}
}

// TestTheDrillHasKeysOfItsOwn: neither passwords of the sources nor the daemon's keys
// are in its pod, and its keys are in no pod of the release's namespace.
func TestTheDrillHasKeysOfItsOwn(t *testing.T) {
	env := testbed.Need(t)
	all := render(t, env, "testdata/10-restore-test-of-several-servers.yaml")
	drill := podOf(t, all, "CronJob", "openim-dr-drill")
	if got := secretKeys(drill.Containers[0], "drill-keys"); len(got) > 0 {
		t.Errorf("variables %q come from the Secret of the drill", got)
	}
	for _, c := range append(drill.Containers, drill.InitContainers...) {
		for _, e := range c.Env {
			if slices.Contains([]string{"MYSQL_PASSWORD", "CHAT_PASSWORD", "S3_ACCESS_KEY", "S3_SECRET_KEY"}, e.Name) {
				t.Errorf("container %s has %s, which opens a source", c.Name, e.Name)
			}
		}
	}
	for _, v := range drill.Volumes {
		if v.Secret != nil && v.Secret.SecretName == "openim-dr" {
			t.Error("the drill has the Secret of the daemon")
		}
	}
	for _, v := range podOf(t, all, "Deployment", "openim-dr").Volumes {
		if v.Secret != nil && v.Secret.SecretName == "drill-keys" {
			t.Error("the daemon has the Secret of the drill")
		}
	}
	text, err := os.ReadFile(all.configuration(t, "openim-dr-drill"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range regexp.MustCompile(`env:\w+`).FindAllString(string(text), -1) {
		if !strings.HasPrefix(name, "env:SCRATCH_") {
			t.Errorf("its configuration refers to %s", name)
		}
	}
	if *drill.AutomountServiceAccountToken {
		t.Error("the drill has a token of the cluster")
	}
}

// TestScratchServersAreSidecars, one for each source that takes one, which end with the
// drill and listen to nobody else.
func TestScratchServersAreSidecars(t *testing.T) {
	env := testbed.Need(t)
	drill := podOf(t, render(t, env, "testdata/10-restore-test-of-several-servers.yaml"), "CronJob", "openim-dr-drill")
	var names []string
	ports := map[string]bool{}
	for _, c := range drill.InitContainers {
		names = append(names, c.Name)
		if c.RestartPolicy == nil || *c.RestartPolicy != corev1.ContainerRestartPolicyAlways {
			t.Errorf("%s is no sidecar", c.Name)
		}
		if !slices.Contains(c.Args, "--bind-address=127.0.0.1") && !slices.Contains(c.Args, "-ip.bind=127.0.0.1") {
			t.Errorf("%s listens to others: %q", c.Name, c.Args)
		}
		for _, argument := range c.Args {
			if name, port, _ := strings.Cut(argument, "port="); port != "" {
				if ports[port] {
					t.Errorf("%s has a port that another has: %s%s", c.Name, name, port)
				}
				ports[port] = true
			}
		}
	}
	if want := []string{"mysql-main", "mysql-chat-db", "seaweedfs-media", "seaweedfs-archive"}; !slices.Equal(names, want) {
		t.Errorf("the scratch servers are %q, want %q", names, want)
	}
}

// TestChangesOfTheConfigurationStartAnew the pods, and nothing else does.
func TestChangesOfTheConfigurationStartAnew(t *testing.T) {
	env := testbed.Need(t)
	checksum := func(set ...string) string {
		all := render(t, env, "testdata/2-secret-of-the-chart.yaml", set...)
		a := as[appsv1.Deployment](t, all.the(t, "Deployment", "backups")).Spec.Template.Annotations
		return a["checksum/config"] + a["checksum/secret"]
	}
	before := checksum()
	if checksum("--set", "replicas=2") != before {
		t.Error("another number of replicas starts all of them anew")
	}
	if checksum("--set", "config.instance=another") == before || checksum("--set", "secret.data.MYSQL_PASSWORD=another") == before {
		t.Error("a change of the configuration or of the Secret starts nothing anew")
	}
}

func TestADigestDecides(t *testing.T) {
	env := testbed.Need(t)
	all := render(t, env, "testdata/12-directory.yaml")
	image := podOf(t, all, "Deployment", "openim-dr").Containers[0].Image
	if want := "registry.example.org/openim-dr:0.1.0@sha256:1111111111111111111111111111111111111111111111111111111111111111"; image != want {
		t.Errorf("the image is %s, want %s", image, want)
	}
}

func TestNotesSayWhatIsNext(t *testing.T) {
	env := testbed.Need(t)
	notes := env.RunHelm(t, append([]string{"install", release, chart, "--namespace", inNamespace, "--dry-run=client", "--disable-openapi-validation"}, values("testdata/9-restore-test.yaml")[:4]...)...)
	_, notes, _ = strings.Cut(notes, "NOTES:")
	for _, want := range []string{
		"openim-dr init --config openim-dr.yaml", "helm test openim-dr --namespace openim-dr --logs", "exec --namespace openim-dr deploy/openim-dr -- openim-dr status",
		"create job --namespace openim-dr-drill --from cronjob/openim-dr-drill",
	} {
		if !strings.Contains(notes, want) {
			t.Errorf("notes do not say %q:\n%s", want, notes)
		}
	}
}
