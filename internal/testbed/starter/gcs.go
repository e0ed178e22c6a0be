package starter

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

const gcsBucket = "openim-dr"

func (tb *Testbed) gcs() part {
	return part{
		name:  "gcs",
		check: tb.checkGCS,
		prepare: func(ctx context.Context) error {
			path, err := tb.binary(ctx, gcsServer)
			if err != nil {
				return err
			}
			return tb.linkGCS(path)
		},
		start: tb.startGCS,
	}
}

func (tb *Testbed) gcsEndpoint() string {
	return "http://" + tb.address("gcs")
}

// gcsProgram is the emulator's program, for servers of somebody's own.
func (tb *Testbed) gcsProgram() string { return filepath.Join(tb.data("gcs"), "gcs-server") }

// linkGCS gives the program a name that does not change.
func (tb *Testbed) linkGCS(path string) error {
	if err := os.MkdirAll(tb.data("gcs"), 0o755); err != nil {
		return err
	}
	return errors.Join(remove(tb.gcsProgram()), os.Symlink(path, tb.gcsProgram()))
}

// startGCS starts the emulator, which keeps its objects in memory: after it was
// killed its buckets are empty.
func (tb *Testbed) startGCS(ctx context.Context) error {
	path, err := tb.binary(ctx, gcsServer)
	if err != nil {
		return err
	}
	return tb.serve(ctx, service{
		ports: []string{"gcs"},
		command: func() process {
			return process{
				name: "gcs", path: path, args: []string{"-listen", tb.address("gcs")},
				dir: tb.data("gcs"), log: tb.log("gcs"),
			}
		},
		ready: tb.readyGCS,
	})
}

func (tb *Testbed) checkGCS(ctx context.Context) error {
	return ask(ctx, http.DefaultClient, http.MethodGet, tb.gcsEndpoint()+"/storage/v1/b/"+gcsBucket, "", http.StatusOK)
}

func (tb *Testbed) readyGCS(ctx context.Context) error {
	body := fmt.Sprintf(`{"name": %q}`, gcsBucket)
	return ask(ctx, http.DefaultClient, http.MethodPost, tb.gcsEndpoint()+"/storage/v1/b?project=testbed", body,
		http.StatusOK, http.StatusConflict)
}

// ask sends a request and wants one of some answers.
func ask(ctx context.Context, client *http.Client, method, url, body string, want ...int) error {
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	for _, status := range want {
		if response.StatusCode == status {
			return nil
		}
	}
	return fmt.Errorf("%s %s: got %s", method, url, response.Status)
}
