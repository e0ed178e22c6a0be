package cache

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/tlsmode"
)

// Codes of refusals: the first word of a server's answer, and for the answers
// that all begin with ERR one of our own.
const (
	codeForbidden      = "NOPERM"
	codeUnknownCommand = "unknown command"
	codeNoPassword     = "no password"
	codeNoDatabase     = "no such database"
)

// refusalError is an answer of the server that is not success. Its text is
// dropped on purpose: it may quote keys, which name users (invariant 4).
type refusalError struct{ code string }

func (e *refusalError) Error() string { return "the server answers " + e.code }

// refusalCode returns the code of what the library calls an error of the server.
func refusalCode(err error) string {
	var answer redis.Error
	if !errors.As(err, &answer) {
		return ""
	}
	text := answer.Error()
	for beginning, code := range map[string]string{
		"ERR unknown command":          codeUnknownCommand,
		"ERR invalid password":         "WRONGPASS", // before version 6
		"ERR AUTH <password> called":   codeNoPassword,
		"ERR Client sent AUTH, but no": codeNoPassword,
		"ERR DB index is out of range": codeNoDatabase,
		"ERR invalid DB index":         codeNoDatabase,
	} {
		if strings.HasPrefix(text, beginning) {
			return code
		}
	}
	code, _, _ := strings.Cut(text, " ")
	if code == "" || strings.ContainsFunc(code, func(r rune) bool { return r < 'A' || r > 'Z' }) {
		return "an error"
	}
	return code
}

// refusals are what an operator can do about a server that answers with a code.
var refusals = map[string]struct {
	kind     fault.Kind
	why, try string
}{
	"NOAUTH":           {fault.Usage, "it wants a password", "set password to where it is found: env:NAME or file:PATH"},
	"WRONGPASS":        {fault.Usage, "it does not accept the user and password", "correct user and password; where the server has no users, leave user out"},
	codeNoPassword:     {fault.Usage, "a password is configured, and it has none", "leave password out, or give the server one"},
	codeNoDatabase:     {fault.Usage, "it has no such database", "correct databases; OpenIM uses 0 unless told otherwise"},
	codeForbidden:      {fault.Usage, "the user may not do that", "allow it: ACL SETUSER NAME +info +scan +unlink, and the keys that are to be deleted"},
	codeUnknownCommand: {fault.Usage, "it does not know the command", "allow SCAN, and UNLINK or DEL"},
	"READONLY":         {fault.Usage, "it is a replica that takes no writes", "set address to its primary"},
	"DENIED":           {fault.Usage, "it is in protected mode, and answers its own machine only", "give it a password"},
	"MOVED":            {fault.Usage, "it is part of a cluster, and does not let the user see that", "allow the user +info and +cluster"},
	"LOADING":          {fault.Failed, "it is still loading its data", "try again when it has"},
	"MISCONF":          {fault.Failed, "it cannot save its data to disk, and takes no writes", "give its disk room"},
	"CLUSTERDOWN":      {fault.Failed, "the cluster is not whole", "see what CLUSTER INFO says"},
}

// fail turns what the library returned into an error that says what was done to
// which server, why it failed, and names no key.
func (c *Cache) fail(doing string, started time.Time, err error) error {
	if code := refusalCode(err); code != "" {
		known, ok := refusals[code]
		if !ok {
			return c.fault(fault.Failed, doing, "%w", &refusalError{code}).Hint("see the server's log")
		}
		e := c.fault(known.kind, doing, "%w", &refusalError{code}).Hint("%s", known.try)
		e.Why = known.why
		return e
	}
	if e := c.failTLS(doing, err); e != nil {
		return e
	}
	if errors.Is(err, context.Canceled) {
		return c.fault(fault.Failed, doing, "cancelled: %w", context.Canceled)
	}
	return c.fault(fault.Failed, doing, "no answer after %s: %w", time.Since(started).Round(100*time.Millisecond), err).
		Hint("check that the server runs and that %s is reached from here%s", c.settings.Address, c.guess(err))
}

// guess is what may be behind a connection that ends without a word.
func (c *Cache) guess(err error) string {
	var timeout net.Error
	hungUp := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
	switch secured := c.settings.tls().Mode(tlsmode.Disabled) != tlsmode.Disabled; {
	case hungUp && secured:
		return "; one that wants a certificate from us, or does not accept ours, hangs up like that: then set tlsCert and tlsKey"
	case hungUp:
		return "; one that wants TLS hangs up like that: then set tls"
	case secured && errors.As(err, &timeout) && timeout.Timeout():
		return "; one that speaks no TLS there keeps silent like that: then set tls: disabled, or address to the port that speaks TLS"
	default:
		return ""
	}
}

// failTLS explains what goes wrong before the server hears a word.
func (c *Cache) failTLS(doing string, err error) error {
	var (
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		plain     tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &plain):
		return c.fault(fault.Usage, doing, "the server does not speak TLS there").Hint("set tls: disabled, or address to the port that speaks TLS")
	case errors.As(err, &authority):
		return c.fault(fault.Usage, doing, "its certificate is signed by nobody who is trusted").Hint("set tlsCA to the authority's PEM file")
	case errors.As(err, &name):
		return c.fault(fault.Usage, doing, "its certificate is for another name").Hint("set address to a name in the certificate, or tls: %s", tlsmode.VerifyCA)
	case errors.As(err, &invalid):
		return c.fault(fault.Usage, doing, "its certificate is not valid: %w", invalid).Hint("renew it")
	case strings.Contains(err.Error(), "remote error: tls: "):
		return c.fault(fault.Usage, doing, "it breaks off TLS: it wants a certificate from us, or does not accept ours").Hint("set tlsCert and tlsKey")
	}
	return nil
}

func (c *Cache) fault(kind fault.Kind, doing, format string, args ...any) *fault.Error {
	return fault.New(kind, doing, format, args...).On(fmt.Sprintf("cache %s (%s)", c.settings.Name, c.settings.Address))
}
