package bucket

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/secret"
)

const (
	// keyLife is how long keys from files are used before the files are read
	// again: whoever renews keys replaces the files some time before the old ones
	// expire.
	keyLife = time.Minute

	// Files may be replaced one by one. Keys that differ from those before are
	// taken when two readings, settlePause apart, agree.
	settlePause = 50 * time.Millisecond
	settleTries = 20
)

// newCredentials reads the keys, so that what is missing is known at once;
// without any, requests are not signed.
func newCredentials(settings *Settings) (aws.CredentialsProvider, error) {
	if settings.AccessKey.IsZero() {
		return aws.AnonymousCredentials{}, nil
	}
	k := &keyring{access: settings.AccessKey, secret: settings.SecretKey, token: settings.SessionToken}
	for _, ref := range []secret.Ref{k.access, k.secret, k.token} {
		if _, isFile := ref.Path(); isFile {
			k.inFiles = true
		}
	}
	var err error
	k.keys, err = k.resolve()
	k.read = time.Now()
	return k, err
}

// keyring holds the keys of an account. What stands in the environment never
// changes; what stands in files is read again after keyLife, and when the
// server refuses it. It is safe for concurrent use.
type keyring struct {
	access, secret, token secret.Ref
	inFiles               bool

	mu      sync.Mutex
	keys    aws.Credentials
	read    time.Time
	changed time.Time // zero: they are the first
}

// Retrieve implements aws.CredentialsProvider.
func (k *keyring) Retrieve(context.Context) (aws.Credentials, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.inFiles && time.Since(k.read) >= keyLife {
		if err := k.refresh(); err != nil {
			return aws.Credentials{}, err
		}
	}
	return k.keys, nil
}

// renewed reads the keys again and reports whether there are new ones, or have
// been for less than keyLife: then a call that was refused may have been signed
// with the old ones.
func (k *keyring) renewed() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.inFiles && k.refresh() == nil && !k.changed.IsZero() && time.Since(k.changed) < keyLife
}

func (k *keyring) refresh() error {
	was, wasErr := k.keys, error(nil)
	for range settleTries {
		now, err := k.resolve()
		if now == was && err == nil && wasErr == nil {
			break
		}
		was, wasErr = now, err
		<-time.After(settlePause) // a second at most, all in all
	}
	if wasErr != nil {
		return wasErr
	}
	k.read = time.Now()
	if was != k.keys {
		k.keys, k.changed = was, k.read
	}
	return nil
}

func (k *keyring) resolve() (c aws.Credentials, err error) {
	c.Source = "openim-dr"
	if c.AccessKeyID, err = readSecret("accessKey", k.access); err != nil {
		return c, err
	}
	if c.SecretAccessKey, err = readSecret("secretKey", k.secret); err != nil {
		return c, err
	}
	if !k.token.IsZero() {
		c.SessionToken, err = readSecret("sessionToken", k.token)
	}
	return c, err
}

func readSecret(setting string, ref secret.Ref) (string, error) {
	value, err := ref.Resolve()
	if err != nil {
		return "", noSecret(setting, err)
	}
	if value == "" {
		return "", noSecret(setting, fmt.Errorf("%s is empty", ref))
	}
	return value, nil
}

func noSecret(setting string, err error) error {
	return fault.New(fault.Usage, "read "+setting, "%w", err).
		Hint("set it where openim-dr runs, or correct %s of the source in the configuration", setting)
}

// signer signs each attempt with the keys of that moment. The SDK looks them up
// once for all attempts of a call, which would try expired ones again.
type signer struct {
	keys aws.CredentialsProvider

	mu   sync.Mutex
	last aws.Credentials
	v4   *v4.Signer
}

// SignHTTP implements s3.HTTPSignerV4.
func (s *signer) SignHTTP(ctx context.Context, _ aws.Credentials, r *http.Request, payloadHash, service, region string, at time.Time, options ...func(*v4.SignerOptions)) error {
	keys, err := s.keys.Retrieve(ctx)
	if err != nil {
		return err
	}
	return s.of(keys).SignHTTP(ctx, keys, r, payloadHash, service, region, at, options...)
}

// of returns a signer for keys. Each has one of its own: what a v4.Signer derives
// from a secret it finds again by the access key alone.
func (s *signer) of(keys aws.Credentials) *v4.Signer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.v4 == nil || s.last != keys {
		// S3 signs the path as it is sent.
		s.last, s.v4 = keys, v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	}
	return s.v4
}

var _ s3.HTTPSignerV4 = (*signer)(nil)

// retryRenewed has a call that was refused tried again where the keys have been
// renewed.
func retryRenewed(keys aws.CredentialsProvider) func(error) aws.Ternary {
	return func(err error) aws.Ternary {
		if k, ok := keys.(*keyring); ok && isDenied(err) && k.renewed() {
			return aws.TrueTernary
		}
		return aws.UnknownTernary
	}
}
