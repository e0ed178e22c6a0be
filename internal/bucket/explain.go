package bucket

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	smithy "github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/network"
)

// statusOf returns the HTTP status that an error came with, or 0.
func statusOf(err error) int {
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) {
		return response.HTTPStatusCode()
	}
	return 0
}

// codeOf returns the S3 error code that an error came with, or "".
func codeOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// errNoBucket is what explain makes of a bucket that is not there.
var errNoBucket = errors.New("the bucket does not exist")

func isNoBucket(err error) bool {
	return codeOf(err) == "NoSuchBucket" || errors.Is(err, errNoBucket)
}

// errNoMarker says of a directory marker that no listing shows it.
var errNoMarker = errors.New("the directory marker does not exist")

// isAbsent reports that the server says of a key that it does not exist.
func isAbsent(err error) bool {
	return statusOf(err) == http.StatusNotFound && !isNoBucket(err) || errors.Is(err, errNoMarker)
}

// deniedCodes are what S3 says of credentials that do not count, or not for this,
// where the status may be another than 401 or 403.
var deniedCodes = []string{
	"AccessDenied", "AccountProblem", "AllAccessDisabled", "AuthorizationHeaderMalformed", "CredentialsNotSupported", "ExpiredToken",
	"InvalidAccessKeyId", "InvalidSecurity", "InvalidToken", "MissingSecurityHeader", "NotSignedUp", "RequestExpired",
	codeSkewed, "SignatureDoesNotMatch", "TokenRefreshRequired",
}

// codeSkewed is what S3 says of a request whose time is not the server's.
const codeSkewed = "RequestTimeTooSkewed"

// isDenied reports that the server refuses the credentials. S3 says of some
// that have expired that the request is wrong, not that it is forbidden.
func isDenied(err error) bool {
	status := statusOf(err)
	return status == http.StatusForbidden || status == http.StatusUnauthorized || slices.Contains(deniedCodes, codeOf(err))
}

// passingCodes are what S3 says of a request that was disturbed on its way or came
// at a bad time, or for which there is no room: nothing of it is about the key.
var passingCodes = []string{
	"BadDigest", "ConditionalRequestConflict", "ContentSHA256Mismatch", "IncompleteBody", "InvalidDigest", "InvalidPart",
	"InvalidPartOrder", "NoSuchUpload", "OperationAborted", "QuotaExceeded", "RequestTimeout", "ServiceUnavailable", "SlowDown",
	"XAmzContentSHA256Mismatch", "XMinioAdminBucketQuotaExceeded", "XMinioStorageFull",
}

// isPassing reports that the same request could well succeed another time.
func isPassing(err error) bool {
	switch statusOf(err) {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusInsufficientStorage:
		return true
	}
	return slices.Contains(passingCodes, codeOf(err))
}

// explain turns the error of a call into what an operator can act on. An error
// that is explained already, or is the end of ctx, stays as it is.
func (s *Source) explain(ctx context.Context, doing string, err error, began time.Time) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	if _, ok := fault.Outermost(err); ok {
		return err
	}
	endpoint := s.settings.Endpoint
	var wrong *orderError
	switch {
	case errors.As(err, &wrong):
		return fault.New(fault.Failed, doing, "%w", err).On("at " + endpoint)
	case isNoBucket(err):
		return fault.New(fault.Usage, doing, "%w", errNoBucket).On("at "+endpoint).
			Hint("create it, or correct buckets in the configuration of source %s", s.name)
	case codeOf(err) == codeSkewed:
		return fault.New(fault.Usage, doing, "the server's clock and that of this machine are too far apart (%s)", codeSkewed).On("at " + endpoint).
			Hint("set the clock that is wrong")
	case isDenied(err):
		return fault.New(fault.Usage, doing, "the server refuses the access key or its rights (%s)", codeOf(err)).On("at "+endpoint).
			Hint("check accessKey and secretKey of source %s, and what the server lets that key do", s.name)
	case statusOf(err) == 0 && isUnreachable(err):
		if unreached := network.Fault(doing, s.host, "ca of source "+s.name, err); unreached != nil {
			return unreached.On("at " + endpoint)
		}
		return fault.New(fault.Failed, doing, "no answer; gave up after %s: %w", time.Since(began).Round(time.Millisecond), plainly{err}).On("at "+endpoint).
			Hint("check that the server runs and that %s can be reached from here", s.host)
	default:
		return fault.New(fault.Failed, doing, "gave up after %s: %w", time.Since(began).Round(time.Millisecond), plainly{err}).On("at " + endpoint)
	}
}

// plainly prints what went wrong in a call and not how the SDK got there: its text
// names its own operations and attempts, and quotes the URL, with an object's key
// in it (invariant 4).
type plainly struct{ err error }

func (r plainly) Error() string {
	var sent *url.Error
	if errors.As(r.err, &sent) {
		return sent.Err.Error()
	}
	var api smithy.APIError
	if errors.As(r.err, &api) {
		return fmt.Sprintf("the server answers %d %s: %s", statusOf(r.err), api.ErrorCode(), api.ErrorMessage())
	}
	return r.err.Error()
}

func (r plainly) Unwrap() error { return r.err }

// isUnreachable reports that no answer came at all.
func isUnreachable(err error) bool {
	var send *smithyhttp.RequestSendError
	return errors.As(err, &send) || errors.Is(err, context.DeadlineExceeded)
}
