package bucket

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/openim-dr/openim-dr/internal/secret"
)

// keyLife is how long keys from files are used before the files are read again:
// whoever renews keys replaces the files some time before the old ones expire.
const keyLife = time.Minute

// newCredentials reads the keys, so that what is missing is known at once;
// without any, requests are not signed.
func newCredentials(settings *Settings) (aws.CredentialsProvider, error) {
	if settings.AccessKey.IsZero() {
		return aws.AnonymousCredentials{}, nil
	}
	keys := &keys{settings.AccessKey, settings.SecretKey, settings.SessionToken}
	if _, err := keys.read(); err != nil {
		return nil, err
	}
	return aws.NewCredentialsCache(keys), nil
}

// keys are where the keys of an account are found.
type keys struct{ access, secret, token secret.Ref }

// Retrieve implements aws.CredentialsProvider. What stands in the environment
// never changes; what stands in files is read again after keyLife.
func (k *keys) Retrieve(context.Context) (aws.Credentials, error) {
	c, err := k.read()
	if err != nil {
		return aws.Credentials{}, err
	}
	for _, ref := range []secret.Ref{k.access, k.secret, k.token} {
		if _, isFile := ref.Path(); isFile {
			c.CanExpire, c.Expires = true, time.Now().Add(keyLife)
		}
	}
	return c, nil
}

func (k *keys) read() (c aws.Credentials, err error) {
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
		return "", invalid("%s: %w", setting, err)
	}
	if value == "" {
		return "", invalid("%s: %s is empty", setting, ref)
	}
	return value, nil
}
