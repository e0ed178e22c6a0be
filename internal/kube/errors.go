package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/network"
)

// call is one thing asked of the API server, for its errors.
type call struct {
	verb      string // as in RBAC: list, create
	resource  string // as in RBAC: secrets, ingresses.networking.k8s.io
	namespace string
	name      string
}

func (c call) String() string {
	text := c.verb + " " + c.resource
	if c.name != "" {
		text += fmt.Sprintf(" %q", c.name)
	}
	if c.namespace != "" {
		text += fmt.Sprintf(" in namespace %q", c.namespace)
	}
	return text
}

// right is what a Role must grant for the call.
func (c call) right() string {
	text := fmt.Sprintf("%q on %s", c.verb, c.resource)
	if c.namespace == "" {
		return text + " in the whole cluster"
	}
	return text + fmt.Sprintf(" in namespace %q", c.namespace)
}

// refused says which right is missing when the call was forbidden.
func (c call) refused() string {
	text := "the credentials lack the right " + c.right()
	if c.verb == "create" || c.verb == "update" || c.verb == "patch" {
		for _, r := range escalations(c.resource, c.namespace) {
			text += ", or " + r.call().right() + " where it grants more than they have"
		}
	}
	return text
}

// answerError is an answer of the API server that is not success. The
// server's own message is dropped on purpose: of an object that it finds
// invalid it quotes the values (invariant 4).
type answerError struct {
	code   int32
	reason metav1.StatusReason
	fields []string // paths of the fields that the server objects to
}

func (e *answerError) Error() string {
	text := fmt.Sprintf("the API server answered %d %s", e.code, e.reason)
	if len(e.fields) > 0 {
		text += " because of " + strings.Join(e.fields, ", ")
	}
	return text
}

// answered reports whether err is an answer of the API server for one of the
// reasons.
func answered(err error, reasons ...metav1.StatusReason) bool {
	var answer *answerError
	if !errors.As(err, &answer) {
		return false
	}
	for _, reason := range reasons {
		if answer.reason == reason {
			return true
		}
	}
	return false
}

// fail turns what client-go returned into an error that says what was asked
// of which server, why it failed, and holds no value of any object.
func (s *session) fail(what call, started time.Time, err error) error {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return s.failAnswer(what, status.Status())
	}
	doing, on := what.String(), fmt.Sprintf("of kubernetes %s (%s)", s.cluster, s.host)
	if errors.Is(err, context.Canceled) {
		return fault.New(fault.Failed, doing, "cancelled: %w", context.Canceled).On(on)
	}
	if refused := network.Fault(doing, s.host, "certificate-authority-data in the kubeconfig", err); refused != nil && refused.Kind == fault.Usage {
		return refused.On(on)
	}
	var transport *url.Error
	if errors.As(err, &transport) {
		err = transport.Err // its text repeats the address, with the whole query
	}
	return fault.New(fault.Failed, doing, "no answer after %s: %w", time.Since(started).Round(100*time.Millisecond), err).
		On(on).Hint("check that the API server runs and that %s is reached from here", s.host)
}

func (s *session) failAnswer(what call, status metav1.Status) error {
	answer := &answerError{code: status.Code, reason: status.Reason}
	if status.Details != nil {
		for _, cause := range status.Details.Causes {
			if cause.Field != "" {
				answer.fields = append(answer.fields, cause.Field)
			}
		}
	}
	kind := fault.Failed
	if status.Code >= 400 && status.Code < 500 && status.Code != http.StatusTooManyRequests && status.Code != http.StatusConflict {
		kind = fault.Usage
	}
	e := fault.New(kind, what.String(), "%w", answer).On(fmt.Sprintf("of kubernetes %s (%s)", s.cluster, s.host))
	switch status.Reason {
	case metav1.StatusReasonForbidden:
		e.Why = what.refused()
		return e.Hint("grant %s by a Role or ClusterRole; `openim-dr doctor` lists every right that is missing", what.right())
	case metav1.StatusReasonUnauthorized:
		e.Why = "the credentials are not accepted"
		return e.Hint("renew the token or certificate of the kubeconfig or service account")
	}
	return e
}
