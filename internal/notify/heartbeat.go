package notify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/openim-dr/openim-dr/internal/secret"
)

// beatTimeout is how long one heartbeat may take.
const beatTimeout = 30 * time.Second

// Heartbeat asks for a URL again and again while things are well, so that somebody else
// notices when it stops. Its fields are set before Run.
type Heartbeat struct {
	// Where says which URL, and how often; a zero interval is for no heartbeat.
	Where func() (secret.Ref, time.Duration)
	// Well reports whether things are well now.
	Well  func() bool
	Count func(result string)
	Log   *slog.Logger
}

const (
	// beatPause is how often it is asked whether a heartbeat is due. Intervals are no
	// shorter.
	beatPause = 5 * time.Second
	// beatAgain is how long after a failure it is tried again, where that is sooner.
	beatAgain = time.Minute
)

// Run sends heartbeats until ctx ends. The first is due as soon as things are well.
func (h *Heartbeat) Run(ctx context.Context) {
	ticker := time.NewTicker(beatPause)
	defer ticker.Stop()
	var last time.Time
	said := ""
	for {
		ref, every := h.Where()
		due := every
		if said != "" {
			due = min(every, beatAgain)
		}
		if every > 0 && time.Since(last) >= due && h.Well() {
			last = time.Now()
			said = h.beat(ctx, ref, said)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// beat sends one, and returns what it said of a failure: the same is said once.
func (h *Heartbeat) beat(ctx context.Context, ref secret.Ref, said string) string {
	err := Beat(ctx, ref)
	switch {
	case ctx.Err() != nil:
		return said
	case err == nil:
		h.Count(OK)
		return ""
	case err.Error() != said:
		h.Log.Warn("heartbeat not sent", "error", err.Error())
	}
	h.Count(Failed)
	return err.Error()
}

// CheckBeat fails where no heartbeat could be sent to a URL. It never quotes the URL.
func CheckBeat(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return errors.New("it is no URL (https://… or http://…)")
	}
	return nil
}

// Beat sends one heartbeat: a GET, which every such service takes. Errors hold nothing
// of the URL.
func Beat(ctx context.Context, ref secret.Ref) error {
	address, err := ref.Resolve()
	if err == nil {
		err = CheckBeat(address)
	}
	if err != nil {
		return fmt.Errorf("read the URL of the heartbeat from %s: %w", ref, err)
	}
	ctx, cancel := context.WithTimeout(ctx, beatTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return errors.New("the URL of the heartbeat cannot be asked for") // the error quotes it
	}
	request.Header.Set("User-Agent", "openim-dr")
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true
	client := &http.Client{Transport: transport, CheckRedirect: sameScheme}
	response, err := client.Do(request)
	if err != nil {
		a, known := harmlessIn(err.Error())
		if !known {
			a.Reason = "no answer"
		}
		return errors.New(a.Reason)
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxSaid)) // the status is what counts
	_ = response.Body.Close()
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("the server answered %d %s", response.StatusCode, http.StatusText(response.StatusCode))
	}
	return nil
}
