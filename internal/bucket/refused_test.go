package bucket

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
)

// An answer about a key costs that object alone, which the comparison then misses.
// One about the credentials or the moment ends the restore: it would cost every
// object, and be told as damage.
func TestAnswersToAnUpload(t *testing.T) {
	const key, odd, refused = "a/b", "a/../b", fault.Kind(-1)
	tests := map[string]struct {
		key    string
		status int
		code   string
		want   fault.Kind
	}{
		"too long":                           {key, http.StatusBadRequest, "KeyTooLongError", refused},
		"of a form that no file has":         {key, http.StatusBadRequest, "XMinioInvalidObjectName", refused},
		"an argument that is not taken":      {key, http.StatusBadRequest, "InvalidArgument", refused},
		"an object in the way":               {key, http.StatusConflict, "ExistingObjectIsFile", refused},
		"too long for a line":                {key, http.StatusRequestURITooLong, "", refused},
		"odd, and the server has stumbled":   {odd, http.StatusInternalServerError, "", refused},
		"the server has stumbled":            {key, http.StatusInternalServerError, "", fault.Failed},
		"an expired token":                   {key, http.StatusBadRequest, "ExpiredToken", fault.Usage},
		"an invalid token":                   {key, http.StatusBadRequest, "InvalidToken", fault.Usage},
		"a token to be renewed":              {key, http.StatusBadRequest, "TokenRefreshRequired", fault.Usage},
		"another region":                     {key, http.StatusBadRequest, "AuthorizationHeaderMalformed", fault.Usage},
		"an unknown key":                     {key, http.StatusForbidden, "InvalidAccessKeyId", fault.Usage},
		"a wrong secret":                     {key, http.StatusForbidden, "SignatureDoesNotMatch", fault.Usage},
		"a wrong secret, odd key":            {odd, http.StatusForbidden, "SignatureDoesNotMatch", fault.Usage},
		"no right":                           {key, http.StatusForbidden, "AccessDenied", fault.Usage},
		"a wrong clock":                      {key, http.StatusForbidden, "RequestTimeTooSkewed", fault.Usage},
		"a wrong clock, as a bad request":    {key, http.StatusBadRequest, "RequestTimeTooSkewed", fault.Usage},
		"no bucket":                          {key, http.StatusNotFound, "NoSuchBucket", fault.Usage},
		"the body came too slowly":           {key, http.StatusBadRequest, "RequestTimeout", fault.Failed},
		"the body broke off":                 {key, http.StatusBadRequest, "IncompleteBody", fault.Failed},
		"the body was altered on its way":    {key, http.StatusBadRequest, "XAmzContentSHA256Mismatch", fault.Failed},
		"something else goes on there":       {key, http.StatusConflict, "OperationAborted", fault.Failed},
		"the quota is used up":               {key, http.StatusBadRequest, "XMinioAdminBucketQuotaExceeded", fault.Failed},
		"too many requests, odd key":         {odd, http.StatusServiceUnavailable, "SlowDown", fault.Failed},
		"an odd key, and the disk is full":   {odd, http.StatusInsufficientStorage, "", fault.Failed},
		"an odd key, and no bucket any more": {odd, http.StatusNotFound, "NoSuchBucket", fault.Usage},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := against(t, 20*time.Second, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.WriteHeader(tt.status)
				_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code></Error>", tt.code)
			})
			u := newUploader(s, "b", newFence(source.Attempt{}, wallClock), 1, 1)
			err := u.put(t.Context(), repository.IndexEntry{Key: tt.key, Size: 1}, []byte("x"))
			got := fault.KindOf(err)
			if errors.Is(err, errRefused) {
				got = refused
			}
			if err == nil || got != tt.want {
				t.Errorf("got %v (%v), want %v", err, got, tt.want)
			}
		})
	}
}
