package hook

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// retryPolicy says how long to wait before a request is sent again.
type retryPolicy struct{ first, longest time.Duration }

var defaultRetry = retryPolicy{first: 500 * time.Millisecond, longest: 10 * time.Second}

// maxAnswer bounds what is read of an answer. None of it is kept or logged: it
// may repeat the headers.
const maxAnswer = 64 << 10

// newClient returns a client that verifies certificates, and that follows no
// redirection: headers that may hold secrets go to the configured host alone.
func newClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// post sends the facts as JSON. Where the server cannot be reached, or says that
// it cannot answer now, it is asked again until ctx ends.
func (r *Runner) post(ctx context.Context, h Hook, facts Facts) error {
	address, header, body, err := letter(h, facts)
	if err != nil {
		return err
	}
	var last error // before the time was up
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = r.retry.first, r.retry.longest
	_, err = backoff.Retry(ctx, func() (struct{}, error) {
		err := r.send(ctx, address, header, body)
		if ctx.Err() == nil {
			last = err
		}
		return struct{}{}, err
	}, backoff.WithBackOff(pause), backoff.WithMaxElapsedTime(0))
	if err != nil && ctx.Err() != nil && last != nil {
		return fmt.Errorf("%w; before that: %w", context.Cause(ctx), last)
	}
	return err
}

// letter reads the secrets at the moment of use.
func letter(h Hook, facts Facts) (address string, header http.Header, body []byte, err error) {
	if address, err = h.URL.resolve(); err != nil {
		return "", nil, nil, err
	}
	header = http.Header{"Content-Type": {"application/json"}, "User-Agent": {"openim-dr"}}
	for name, ref := range h.Headers {
		value, err := ref.Resolve()
		if err == nil && strings.ContainsAny(value, "\r\n\x00") {
			err = errors.New("it holds a line break or a NUL")
		}
		if err != nil {
			return "", nil, nil, fmt.Errorf("header %s: %w", name, err)
		}
		header.Set(name, value)
	}
	facts.Points = append([]string{}, facts.Points...)
	body, err = json.Marshal(facts)
	return address, header, body, err
}

// send sends the letter once. An error that another try cannot mend is permanent.
func (r *Runner) send(ctx context.Context, address string, header http.Header, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return backoff.Permanent(withoutURL(err))
	}
	request.Header = header.Clone()
	response, err := r.client.Do(request)
	if err != nil {
		return unreached(ctx, err)
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxAnswer)) // the status is what counts
	_ = response.Body.Close()
	switch answered := fmt.Errorf("the server answered %d %s", response.StatusCode, http.StatusText(response.StatusCode)); {
	case response.StatusCode/100 == 2:
		return nil
	case response.StatusCode >= 500, response.StatusCode == http.StatusTooManyRequests, response.StatusCode == http.StatusRequestTimeout:
		return answered
	default:
		return backoff.Permanent(answered)
	}
}

// unreached judges a request that got no answer.
func unreached(ctx context.Context, err error) error {
	err = withoutURL(err)
	var certificate *tls.CertificateVerificationError
	switch {
	case ctx.Err() != nil:
		return backoff.Permanent(fmt.Errorf("no answer: %w", context.Cause(ctx)))
	case errors.As(err, &certificate):
		return backoff.Permanent(err)
	default:
		return err
	}
}

// withoutURL takes the URL out of an error of net/http: its path may be a secret.
func withoutURL(err error) error {
	var at *url.Error
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}
