package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/secret"
)

// sendTimeout is how long one message may take to send.
const sendTimeout = 30 * time.Second

// maxSaid bounds what is read of a process that sends.
const maxSaid = 64 << 10

// inherited are the variables that the process that sends may need: proxies, and
// certificates that are trusted. No secret is among them.
var inherited = []string{
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR", "TZ", "PATH", "TMPDIR", "GODEBUG",
}

// Sender sends messages, each in a process of its own.
type Sender struct {
	// Program and its arguments run Send. The first is a path, Name what it is called.
	Program string
	Name    string
	Args    []string
	Timeout time.Duration // of a message; zero: 30 seconds
}

// Send sends one message to the URL that ref refers to, which is read now. Errors hold
// nothing of it. Where trying again may help they are of kind fault.Failed.
func (s *Sender) Send(ctx context.Context, ref secret.Ref, l Letter) error {
	address, err := ref.Resolve()
	if err == nil {
		err = Check(address)
	}
	if err != nil {
		return fault.New(fault.Usage, "read the URL of a notification", "%w", err).On(string(ref))
	}
	timeout := s.Timeout
	if timeout == 0 {
		timeout = sendTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("it was not sent after %s", timeout))
	defer cancel()
	said, err := s.run(ctx, order{Letter: l, URL: address})
	switch {
	case err != nil:
		return fault.New(fault.Failed, "send a notification", "%w", err)
	case said.Sent:
		return nil
	case said.Final:
		return fault.New(fault.Usage, "send a notification", "%s", said.Reason)
	default:
		return fault.New(fault.Failed, "send a notification", "%s", said.Reason)
	}
}

// run has the message sent, and ends the process where that takes too long.
func (s *Sender) run(ctx context.Context, o order) (said answer, err error) {
	input, err := json.Marshal(o)
	if err != nil {
		return said, err
	}
	var output bytes.Buffer
	cmd := exec.CommandContext(ctx, s.Program, s.Args...)
	cmd.Args[0] = s.Name
	cmd.Env = environment()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &bounded{&output, maxSaid}, io.Discard
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return said, context.Cause(ctx)
		}
		return said, fmt.Errorf("the process that sends has ended early: %w", err)
	}
	if json.Unmarshal(output.Bytes(), &said) != nil {
		return said, errors.New("the process that sends has not said how it went")
	}
	return said, nil
}

func environment() []string {
	variables := []string{}
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		for _, wanted := range inherited {
			if name == wanted {
				variables = append(variables, pair)
			}
		}
	}
	return variables
}

// bounded takes as many bytes as are left, and drops the rest.
type bounded struct {
	to   io.Writer
	left int
}

func (b *bounded) Write(p []byte) (int, error) {
	kept := p[:min(len(p), b.left)]
	b.left -= len(kept)
	if _, err := b.to.Write(kept); err != nil {
		return 0, err
	}
	return len(p), nil
}
