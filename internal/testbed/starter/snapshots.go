package starter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"sigs.k8s.io/yaml"
)

// snapshotModule carries the CRDs of volume snapshots beside their Go types.
const snapshotModule = "github.com/kubernetes-csi/external-snapshotter/client/v8"

// installSnapshots makes the API server serve volume snapshots and groups of them.
// Whoever wants them taken plays the controller's and the driver's part.
func (tb *Testbed) installSnapshots(ctx context.Context) error {
	// The starter itself needs nothing of the module, which may not be here yet.
	download := exec.CommandContext(ctx, "go", "mod", "download", "-json", snapshotModule)
	download.Dir = tb.root
	answer, err := download.Output()
	var module struct{ Dir string }
	if err == nil {
		err = json.Unmarshal(answer, &module)
	}
	if err != nil {
		return fmt.Errorf("download %s: %w", snapshotModule, err)
	}
	files, err := filepath.Glob(filepath.Join(module.Dir, "config", "crd", "*snapshot*.yaml"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("%s holds no CRDs (%w)", snapshotModule, err)
	}
	for _, file := range files {
		if err := tb.installCRD(ctx, file); err != nil {
			return fmt.Errorf("install %s: %w", filepath.Base(file), err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return poll(ctx, 100*time.Millisecond, func() (bool, error) { return tb.checkSnapshots(ctx) == nil, nil })
}

func (tb *Testbed) installCRD(ctx context.Context, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	body, err := yaml.YAMLToJSON(text)
	if err != nil {
		return err
	}
	return tb.askAPI(ctx, http.MethodPost, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", string(body), http.StatusCreated, http.StatusConflict)
}

// checkSnapshots says whether each version is served: a moment after its CRD is there.
func (tb *Testbed) checkSnapshots(ctx context.Context) error {
	return errors.Join(
		tb.askAPI(ctx, http.MethodGet, "/apis/snapshot.storage.k8s.io/v1/volumesnapshots?limit=1", "", http.StatusOK),
		tb.askAPI(ctx, http.MethodGet, "/apis/snapshot.storage.k8s.io/v1/volumesnapshotcontents?limit=1", "", http.StatusOK),
		tb.askAPI(ctx, http.MethodGet, "/apis/groupsnapshot.storage.k8s.io/v1beta2/volumegroupsnapshots?limit=1", "", http.StatusOK),
	)
}

// askAPI asks the API server as its administrator.
func (tb *Testbed) askAPI(ctx context.Context, method, path, body string, want ...int) error {
	client, end, err := tb.kubeClient()
	if err != nil {
		return err
	}
	defer end()
	client.Transport = bearer{tb.state.KubeToken, client.Transport}
	return ask(ctx, client, method, tb.kubeURL()+path, body, want...)
}

// bearer adds a token to requests.
type bearer struct {
	token string
	next  http.RoundTripper
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	r.Header.Set("Content-Type", "application/json")
	return b.next.RoundTrip(r)
}
