package bucket

import (
	"context"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/time/rate"
)

// throttlePiece is how many bytes pass at a time.
const throttlePiece = 64 << 10

// throttle keeps to the limits of a run, so that production does not feel it.
type throttle struct {
	next     s3.HTTPClient
	requests *rate.Limiter // nil: no limit
	bytes    *rate.Limiter
}

func newThrottle(next s3.HTTPClient, o Options) s3.HTTPClient {
	if o.Requests <= 0 && o.Bandwidth <= 0 {
		return next
	}
	t := &throttle{next: next}
	if o.Requests > 0 {
		t.requests = rate.NewLimiter(rate.Limit(o.Requests), max(1, o.Workers))
	}
	if o.Bandwidth > 0 {
		t.bytes = rate.NewLimiter(rate.Limit(o.Bandwidth), throttlePiece)
	}
	return t
}

// Do implements s3.HTTPClient.
func (t *throttle) Do(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	if t.requests != nil {
		if err := t.requests.Wait(ctx); err != nil {
			return nil, err
		}
	}
	if t.bytes == nil {
		return t.next.Do(r)
	}
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = &slowBody{r.Body, ctx, t.bytes}
	}
	response, err := t.next.Do(r)
	if err == nil {
		response.Body = &slowBody{response.Body, ctx, t.bytes}
	}
	return response, err
}

// slowBody delivers no faster than its limiter lets it.
type slowBody struct {
	io.ReadCloser
	ctx   context.Context // of the request that it belongs to
	limit *rate.Limiter
}

func (b *slowBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p[:min(len(p), throttlePiece)])
	if n > 0 {
		if late := b.limit.WaitN(b.ctx, n); late != nil {
			return n, late
		}
	}
	return n, err
}
