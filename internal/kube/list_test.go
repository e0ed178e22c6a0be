package kube

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestDecodeList(t *testing.T) {
	tests := map[string]struct {
		body     string
		want     []string
		wantNext string
		wantErr  error
	}{
		"items in order":         {body: `{"kind":"SecretList","apiVersion":"v1","metadata":{"resourceVersion":"7"},"items":[{"a":1},{"b":2}]}`, want: []string{`{"a":1}`, `{"b":2}`}},
		"more to come":           {body: `{"metadata":{"continue":"tok","remainingItemCount":3},"items":[{"a":1}]}`, want: []string{`{"a":1}`}, wantNext: "tok"},
		"metadata after items":   {body: `{"items":[{"a":1}],"metadata":{"continue":"tok"}}`, want: []string{`{"a":1}`}, wantNext: "tok"},
		"no items":               {body: `{"metadata":{},"items":[]}`},
		"null for no items":      {body: `{"metadata":{},"items":null}`},
		"cut off between items":  {body: `{"metadata":{},"items":[{"a":1},`, want: []string{`{"a":1}`}, wantErr: io.ErrUnexpectedEOF},
		"cut off within an item": {body: `{"metadata":{},"items":[{"a":1},{"b`, want: []string{`{"a":1}`}, wantErr: io.ErrUnexpectedEOF},
		"cut off after items":    {body: `{"metadata":{},"items":[{"a":1}]`, want: []string{`{"a":1}`}, wantErr: io.ErrUnexpectedEOF},
		"cut off at once":        {body: ``, wantErr: io.ErrUnexpectedEOF},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			next, err := decodeList(strings.NewReader(tt.body), func(raw []byte) error {
				got = append(got, string(raw))
				return nil
			})
			if !errors.Is(err, tt.wantErr) || (err != nil) != (tt.wantErr != nil) {
				t.Errorf("error %v, want %v", err, tt.wantErr)
			}
			if err == nil && next != tt.wantNext {
				t.Errorf("next page %q, want %q", next, tt.wantNext)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("items (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNextLimitAimsAtPagesOfOneSize(t *testing.T) {
	tests := map[string]struct {
		page page
		want int64
	}{
		"small objects: the largest page": {page{limit: 50, objects: 50, bytes: 50 << 10}, largestPage},
		"large objects: a few":            {page{limit: 50, objects: 50, bytes: 50 << 20}, 4},
		"the largest objects: one":        {page{limit: 50, objects: 1, bytes: 8 << 20}, 1},
		"an empty page says nothing":      {page{limit: 50}, 50},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := nextLimit(tt.page); got != tt.want {
				t.Errorf("next limit %d, want %d", got, tt.want)
			}
		})
	}
}

func TestRepeatableReadsAgainOnlyWhatTheServerForgot(t *testing.T) {
	expired := &answerError{code: 410, reason: metav1.StatusReasonExpired}
	other := &answerError{code: 500, reason: metav1.StatusReasonInternalError}
	tests := map[string]struct {
		outcomes []error // of each reading
		want     error
		readings int
	}{
		"a list that ends":           {[]error{nil}, nil, 1},
		"a state forgotten once":     {[]error{expired, nil}, nil, 2},
		"a state always forgotten":   {[]error{expired, expired, expired}, expired, listAttempts},
		"another error ends it":      {[]error{other}, other, 1},
		"another error ends a retry": {[]error{expired, other}, other, 2},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			readings := 0
			err := repeatable(func() error {
				readings++
				return tt.outcomes[readings-1]
			})
			if !errors.Is(err, tt.want) || readings != tt.readings {
				t.Errorf("%v after %d readings, want %v after %d", err, readings, tt.want, tt.readings)
			}
		})
	}
}
