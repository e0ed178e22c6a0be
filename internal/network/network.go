// Package network says in an operator's words why a request to a server has got
// no answer. What clients and their libraries say of it names attempts,
// operations and whole URLs, and rarely what to do.
package network

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// Fault returns why a request to host (HOST:PORT, or HOST) has got no answer that
// could be understood, and what to try; nil where err is about something else, or
// is the end of the caller's context. A certificate that is not accepted, and
// a server that does not speak TLS, are Usage: they do not pass by themselves. All
// else is Failed. An empty host is that of the URL in err. authority is where the
// operator names one to be trusted, such as "SSL_CERT_FILE".
func Fault(doing, host, authority string, err error) *fault.Error {
	if err == nil || errors.Is(err, context.Canceled) {
		return nil
	}
	var sent *url.Error
	if host == "" && errors.As(err, &sent) {
		host = HostOf(sent.URL)
	}
	if f := certificate(doing, host, authority, err); f != nil {
		return f
	}
	if errors.Is(err, http.ErrSchemeMismatch) {
		return because(fault.Usage, doing, host+" does not speak TLS", err).
			Hint("write http:// where the address says https://, or give the port that speaks TLS")
	}
	// net/http has no value for it, whether it is read as an answer or comes unasked.
	if text := err.Error(); strings.Contains(text, "malformed HTTP") || strings.Contains(text, "readLoopPeekFailLocked: %!w(<nil>)") {
		return because(fault.Failed, doing, "what answers at "+host+" does not speak HTTP", err).
			Hint("check the port")
	}
	return unreached(doing, host, err)
}

// unreached is about connections that did not come to be, or broke.
func unreached(doing, host string, err error) *fault.Error {
	var name *net.DNSError
	var netErr net.Error
	var op *net.OpError
	reach := "check that the server runs and that " + host + " can be reached from here"
	switch {
	case errors.As(err, &name) && name.IsNotFound:
		return because(fault.Failed, doing, fmt.Sprintf("no address is known for the name %q", name.Name), err).
			Hint("check how the name is spelled, and that it can be resolved from here")
	case errors.As(err, &name):
		return because(fault.Failed, doing, fmt.Sprintf("the address of %q cannot be asked for: %s", name.Name, name.Err), err).
			Hint("check the network and the resolver of this machine")
	case errors.Is(err, syscall.ECONNREFUSED):
		return because(fault.Failed, doing, "nothing listens at "+host+" (connection refused)", err).Hint("%s", reach)
	case errors.As(err, &netErr) && netErr.Timeout():
		return because(fault.Failed, doing, host+" did not answer in time", err).Hint("%s", reach)
	case errors.As(err, &op):
		return because(fault.Failed, doing, "no connection to "+host+": "+op.Err.Error(), err).Hint("%s", reach)
	default:
		return nil
	}
}

// certificate is about what the server shows of itself.
func certificate(doing, host, authority string, err error) *fault.Error {
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	var verification *tls.CertificateVerificationError
	refused := func(why error) *fault.Error {
		return because(fault.Usage, doing, "the certificate of "+host+" is not accepted: "+why.Error(), err)
	}
	switch {
	case errors.As(err, &name):
		return refused(name).Hint("address the server by a name that its certificate holds")
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return refused(invalid).Hint("renew the server's certificate, or set the clock of this machine")
	case errors.As(err, &unknown):
		return refused(unknown).Hint("name the authority that signed it: %s", authority)
	case errors.As(err, &verification):
		return refused(verification.Err).Hint("name the authority that signed it: %s", authority)
	default:
		return nil
	}
}

func because(kind fault.Kind, doing, why string, err error) *fault.Error {
	return &fault.Error{Kind: kind, Doing: doing, Err: said{why, err}}
}

// said reads as its text, and is what err is.
type said struct {
	text string
	err  error
}

func (s said) Error() string { return s.text }
func (s said) Unwrap() error { return s.err }

// HostOf returns HOST:PORT of a URL, or what it was given where that is none.
func HostOf(address string) string {
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		return u.Host
	}
	return address
}
