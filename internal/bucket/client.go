package bucket

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/openim-dr/openim-dr/internal/tlsmode"
)

const (
	// maxBackoff bounds the time between two attempts.
	maxBackoff = 3 * time.Second

	dialTimeout = 5 * time.Second
)

// patience is how long the server is waited for (invariant 9).
type patience struct {
	// header is how long it may think about a request.
	header time.Duration
	// idle is how long a body may deliver nothing.
	idle time.Duration
	// call bounds a call with everything that belongs to it, attempts and a
	// body of one part included. Bodies that are streamed are guarded for
	// idleness instead.
	call time.Duration
	// attempts is how often one request is tried.
	attempts int
}

var usualPatience = patience{header: time.Minute, idle: time.Minute, call: 5 * time.Minute, attempts: 5}

// client is the S3 client of one endpoint and what it has cost so far.
type client struct {
	s3        *s3.Client
	options   s3.Options // of s3, which copies them for whoever asks
	transport s3.HTTPClient
	requests  atomic.Int64 // attempts on the wire
	endpoints sync.Map     // URLs by name of bucket
}

// newClient is built from the settings alone: the SDK's own look-up of the
// environment is not used, so AWS_CA_BUNDLE and shared profiles that happen to
// be there change nothing.
func newClient(settings *Settings, o Options) (*client, error) {
	keys, err := newCredentials(settings)
	if err != nil {
		return nil, err
	}
	transport, err := newTransport(settings.CA, o.Workers, o.patience.header)
	if err != nil {
		return nil, err
	}
	c := &client{transport: newThrottle(transport, o)}
	c.use(newS3(settings, keys, o.patience.attempts, &countingClient{c.transport, &c.requests}))
	return c, nil
}

func (c *client) use(api *s3.Client) { c.s3, c.options = api, api.Options() }

func newS3(settings *Settings, keys aws.CredentialsProvider, attempts int, transport s3.HTTPClient) *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: aws.String(strings.TrimSuffix(settings.Endpoint, "/")),
		Region:       settings.Region,
		UsePathStyle: *settings.PathStyle,
		Credentials:  keys,
		HTTPSignerV4: &signer{keys: keys},
		HTTPClient:   transport,
		Retryer:      newRetryer(attempts, keys),
		// Some versions of SeaweedFS store the trailer of a checksum inside
		// the object, so checksums are sent only where S3 requires them. What
		// comes back is held against our own SHA-256 in any case.
		RequestChecksumCalculation:                aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation:                aws.ResponseChecksumValidationWhenRequired,
		DisableLogOutputChecksumValidationSkipped: true,
	})
}

func newRetryer(attempts int, keys aws.CredentialsProvider) aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.Retryables = append([]retry.IsErrorRetryable{retry.IsErrorRetryableFunc(retryRenewed(keys))}, o.Retryables...)
		o.MaxAttempts = attempts
		o.MaxBackoff = maxBackoff
		// The SDK's quota is shared by all workers: one short outage would
		// empty it and fail a run that needs nothing but patience.
		o.RateLimiter = ratelimit.None
	})
}

// newTransport returns an HTTP client on which every wait ends (invariant 9).
func newTransport(ca string, workers int, header time.Duration) (s3.HTTPClient, error) {
	var roots *x509.CertPool // nil: the system's
	if ca != "" {
		var err error
		if roots, err = tlsmode.Authorities(ca); err != nil {
			return nil, invalid("ca: %w", err)
		}
	}
	return awshttp.NewBuildableClient().
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = dialTimeout }).
		WithTransportOptions(func(t *http.Transport) {
			t.ResponseHeaderTimeout = header
			t.MaxIdleConns = 2 * workers
			t.MaxIdleConnsPerHost = 2 * workers
			if t.TLSClientConfig == nil {
				t.TLSClientConfig = new(tls.Config)
			}
			t.TLSClientConfig.RootCAs = roots
		}), nil
}

// countingClient counts what goes over the wire, retries included.
type countingClient struct {
	next     s3.HTTPClient
	requests *atomic.Int64
}

func (c *countingClient) Do(r *http.Request) (*http.Response, error) {
	c.requests.Add(1)
	return c.next.Do(r)
}
