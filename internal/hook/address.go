package hook

import (
	"errors"
	"net/url"
	"strings"

	"github.com/openim-dr/openim-dr/internal/secret"
)

// Address is where a request goes: a URL, or "env:NAME" or "file:PATH" of one
// that is itself a secret, as those of chat services are.
type Address string

// errAddress never quotes the text: a secret may stand in a wrong place.
var errAddress = errors.New(`it is neither a URL (https://… or http://…, without a user) nor "env:NAME" or "file:PATH" of one`)

// UnmarshalText accepts the forms, and the empty string.
func (a *Address) UnmarshalText(text []byte) error {
	s := string(text)
	if s != "" && !isURL(s) {
		var ref secret.Ref
		if strings.Contains(s, "://") || ref.UnmarshalText(text) != nil {
			return errAddress
		}
	}
	*a = Address(s)
	return nil
}

func isURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil
}

// String returns as much as may be printed: scheme and host of a URL, whose
// path may be a secret, or where the URL is kept.
func (a Address) String() string {
	u, err := url.Parse(string(a))
	if err != nil || u.Host == "" {
		return string(a)
	}
	return u.Scheme + "://" + u.Host
}

// resolve returns the URL.
func (a Address) resolve() (string, error) {
	if isURL(string(a)) {
		return string(a), nil
	}
	text, err := secret.Ref(a).Resolve()
	if err != nil {
		return "", err
	}
	if !isURL(text) {
		return "", errors.New("what " + string(a) + " holds is no URL (https://… or http://…, without a user)")
	}
	return text, nil
}
