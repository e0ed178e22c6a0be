package scratch

import (
	"bytes"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/openim-dr/openim-dr/internal/testbed"
)

// A command of somebody else's image is told where the servers are, reaches them
// under those addresses, and what it prints and how it ends is known.
func TestRunImage(t *testing.T) {
	t.Parallel()
	d := newDrill(t, nil)
	image := testbed.Need(t).SeaweedFSImage // it has a shell and wget
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	variables := []string{"OPENIM_DR_SCRATCH_MAIN_ADDRESS=" + listener.Addr().String()}
	tests := map[string]struct {
		script string
		says   string // in the error; empty: none
		prints string
	}{
		"it succeeds":       {`echo "at $OPENIM_DR_SCRATCH_MAIN_ADDRESS"`, "", "at " + listener.Addr().String()},
		"it fails":          {"echo not so; exit 7", "exit code 7", "not so"},
		"it does not exist": {"exec /no/such/program", "exit code", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			err := d.Run(t.Context(), image, []string{"sh", "-c", tt.script}, variables, slog.New(slog.NewTextHandler(&log, nil)))
			if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want %q", err, tt.says)
			}
			if !strings.Contains(log.String(), tt.prints) {
				t.Errorf("logged %q, want %q", log.String(), tt.prints)
			}
		})
	}
	t.Run("the host's network", func(t *testing.T) {
		_, port, _ := net.SplitHostPort(listener.Addr().String())
		err := d.Run(t.Context(), image, []string{"sh", "-c", "grep -i :$(printf %04X " + port + ") /proc/net/tcp"}, nil, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Errorf("a listener of this machine is not seen: %v", err)
		}
	})
}
