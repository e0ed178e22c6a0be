package testbed

import (
	"bytes"
	"os/exec"
	"testing"
)

// RunTools runs a script of sh in a container that holds the stock tools of
// Debian and nothing else. Mounted directories have the same path there and are
// read-only but for work, in which the script begins. It is on the host's
// network, where the testbed's servers are. What the script printed is returned
// with the error that it ended with.
func (e *Env) RunTools(t testing.TB, work string, mounts []string, script string) (string, error) {
	t.Helper()
	name := unique("-")
	args := []string{"run", "--rm", "--interactive", "--pull", "never", "--label", e.label, "--name", name, "--network", "host", "--workdir", work, "--volume", work + ":" + work}
	for _, dir := range mounts {
		args = append(args, "--volume", dir+":"+dir+":ro")
	}
	cmd := exec.CommandContext(t.Context(), "docker", append(args, e.ToolsImage, "sh", "-e", "-s")...)
	var out bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewBufferString(script), &out, &out
	// A client that was killed leaves its container behind.
	t.Cleanup(func() { _ = exec.CommandContext(cleanupContext(t), "docker", "rm", "--force", name).Run() })
	err := cmd.Run()
	return out.String(), err
}
