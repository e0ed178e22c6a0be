package starter

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// programs are what tests and the starter run on the host, and the Debian
// packages they come in. The mysql client is MariaDB's: it speaks
// caching_sha2_password, which no other client in Debian's stable suite does.
var programs = map[string]string{
	"age":        "age",
	busybox:      "busybox-static",
	"minisign":   "minisign",
	"mysql":      "mariadb-client",
	redisProgram: "redis-tools",
	"tar":        "tar",
	"zstd":       "zstd",
}

// prepareHost makes the host able to run the testbed: its programs and a Docker
// engine.
func (tb *Testbed) prepareHost(ctx context.Context) error {
	var missing []string
	for program, pkg := range programs {
		if !installed(program) {
			missing = append(missing, pkg)
		}
	}
	engine := tb.engineAnswers(ctx)
	if !engine && !installed("dockerd") {
		missing = append(missing, "docker.io")
	}
	if !installed("debootstrap") && !(tb.mysqlImageKnown(ctx, engine) && tb.toolsImageKnown(ctx, engine)) {
		missing = append(missing, "debootstrap")
	}
	if err := tb.install(ctx, missing); err != nil {
		return err
	}
	if engine {
		return nil
	}
	return tb.startEngine(ctx)
}

func installed(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

// install installs Debian packages.
func (tb *Testbed) install(ctx context.Context, packages []string) error {
	if len(packages) == 0 {
		return nil
	}
	list := strings.Join(packages, " ")
	if os.Geteuid() != 0 || !installed("apt-get") {
		return &fault.Error{
			Kind:  fault.Usage,
			Doing: "install what the testbed needs",
			Why:   "these are missing and can only be installed by root on Debian: " + list,
			Try:   "install them (and start Docker), then again",
		}
	}
	s := step{doing: "install " + list, log: tb.cache.log("apt"), try: "run `apt-get install " + list + "` by hand, then again"}
	return tb.console.run(ctx, s, func(ctx context.Context, log io.Writer) error {
		if err := run(ctx, log, "apt-get", "update"); err != nil {
			return err
		}
		args := append([]string{"-o", "DPkg::Lock::Timeout=300", "install", "-y", "--no-install-recommends"}, packages...)
		return run(ctx, log, "apt-get", args...)
	})
}

// run runs a command to its end, its output going to the log.
func run(ctx context.Context, log io.Writer, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
