package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
)

// LeastToken is how many characters a token has at least.
const LeastToken = 16

// Guard lets nobody through who does not give the token: as a Bearer, or, for a
// browser, as the password of Basic with any user. Token is asked for at each request;
// empty means that none is wanted, and an error lets nobody through.
func Guard(next http.Handler, token func() (string, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		want, err := token()
		switch {
		case err != nil:
			protect(w.Header())
			fail(w, http.StatusServiceUnavailable, FailureDetail{Code: "usage", Doing: "read the token", Why: "it cannot be read", Try: "see the log of the daemon"})
		case want != "" && !same(given(r), want):
			protect(w.Header())
			w.Header().Add("WWW-Authenticate", `Basic realm="openim-dr", charset="UTF-8"`)
			w.Header().Add("WWW-Authenticate", `Bearer realm="openim-dr"`)
			fail(w, http.StatusUnauthorized, FailureDetail{Code: "usage", Doing: "answer", Target: r.URL.Path, Why: "it takes the token of daemon.http.token", Try: "give it as a Bearer, or as a password with any user"})
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// given is what a request has for a token.
func given(r *http.Request) string {
	if _, password, basic := r.BasicAuth(); basic {
		return password
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return token
}

// same compares two texts in a time that tells neither what they are nor how long.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
