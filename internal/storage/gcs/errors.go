package gcs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	gcs "cloud.google.com/go/storage"
	"google.golang.org/api/googleapi"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/network"
	"github.com/openim-dr/openim-dr/internal/storage"
)

// mapError turns an error of the client library into what the interface
// promises. Reasons are those of
// https://cloud.google.com/storage/docs/json_api/v1/status-codes
func (s *Store) mapError(verb, name string, err error) error {
	if err == nil {
		return nil
	}
	doing := fmt.Sprintf("%s %q", verb, name)
	var api *googleapi.Error
	code := 0
	if errors.As(err, &api) {
		code = api.Code
	}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %w", doing, err)
	case code == http.StatusNotFound && s.isBucket(api, err):
		return s.noBucket(doing, err)
	case errors.Is(err, gcs.ErrObjectNotExist), code == http.StatusNotFound:
		return fmt.Errorf("%s: %w", doing, storage.ErrNotExist)
	case code == http.StatusForbidden && isProtection(api):
		return fmt.Errorf("%s: %w: %w", doing, storage.ErrProtected, err)
	case code == http.StatusForbidden, code == http.StatusUnauthorized:
		return s.denied(doing, err)
	case isChecksum(code, err):
		return fmt.Errorf("%s: %w: %w", doing, storage.ErrChecksum, err)
	}
	if unreached := network.Fault(doing, "", "SSL_CERT_FILE", err); unreached != nil {
		return unreached
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// isBucket tells a missing bucket from a missing object. Only a listing is
// certain of that; elsewhere the service says so in words.
func (s *Store) isBucket(api *googleapi.Error, err error) bool {
	return errors.Is(err, gcs.ErrBucketNotExist) ||
		mentions(api, "specified bucket does not exist", "NoSuchBucket")
}

func (s *Store) noBucket(doing string, err error) error {
	return &fault.Error{
		Kind: fault.Usage, Doing: doing, Target: "in bucket " + s.bucketName, Err: noBucketError{err},
		Try: "check the spelling, or create the bucket: openim-dr does not create buckets",
	}
}

// noBucketError says once what the client library says three times.
type noBucketError struct{ err error }

func (noBucketError) Error() string   { return "the bucket does not exist" }
func (e noBucketError) Unwrap() error { return e.err }

func (s *Store) denied(doing string, err error) error {
	return fault.New(fault.Usage, doing, "%w: %w", storage.ErrDenied, err).On("in bucket " + s.bucketName).
		Hint("a writer needs storage.objects.create, get and list on the bucket; the pruner also storage.objects.delete, and who holds objects storage.objects.update")
}

func noCredentials(bucket string, err error) error {
	return fault.New(fault.Usage, "connect to Google Cloud Storage", "%w", err).On("for bucket " + bucket).
		Hint("give the pod a service account (workload identity), or set GOOGLE_APPLICATION_CREDENTIALS to a key file")
}

// isProtection recognises retention policies, object retention and holds. The
// reason is "forbidden" in some replies, but the message is always clear.
func isProtection(api *googleapi.Error) bool {
	for _, item := range api.Errors {
		if item.Reason == "retentionPolicyNotMet" || item.Reason == "objectUnderActiveHold" {
			return true
		}
	}
	return mentions(api, "retentionPolicyNotMet", "objectUnderActiveHold", "cannot be deleted, overwritten or archived until")
}

// isChecksum recognises damage: on an upload the service refuses bytes that do
// not match the checksum sent with them (400), on a download the client
// library compares, and has no error value for it.
func isChecksum(code int, err error) bool {
	text := err.Error()
	if code == http.StatusBadRequest {
		return strings.Contains(strings.ToLower(text), "crc32c")
	}
	return strings.Contains(text, "storage: bad CRC on read") || strings.Contains(text, "storage: object checksum mismatch")
}

func isPrecondition(err error) bool {
	var api *googleapi.Error
	return errors.As(err, &api) && api.Code == http.StatusPreconditionFailed
}

// isTaken recognises the refusal to create what exists. Replacing an object takes the
// right to delete, and a retention policy forbids it. Which is judged first, that or
// the condition that there be no object, is documented nowhere: whoever may only
// create has to expect either.
func isTaken(err error) bool {
	var api *googleapi.Error
	if !errors.As(err, &api) {
		return false
	}
	return api.Code == http.StatusPreconditionFailed ||
		api.Code == http.StatusForbidden && (isProtection(api) || mentions(api, "storage.objects.delete"))
}

func isUnsatisfiable(err error) bool {
	var api *googleapi.Error
	return errors.As(err, &api) && api.Code == http.StatusRequestedRangeNotSatisfiable
}

func mentions(api *googleapi.Error, texts ...string) bool {
	for _, text := range texts {
		if strings.Contains(api.Message, text) || strings.Contains(api.Body, text) {
			return true
		}
	}
	return false
}
