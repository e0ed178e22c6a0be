package testbed

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Browser is a Chromium of a test's own with one tab. It reaches nothing but
// files and this machine.
type Browser struct {
	ctx context.Context

	mu         sync.Mutex
	requests   []string
	complaints []string
}

// Browser starts one. It ends with the test.
func (e *Env) Browser(t testing.TB) *Browser {
	t.Helper()
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(e.Chromium), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
		chromedp.UserDataDir(t.TempDir()),
	)
	// The test's own context ends before its clean-up, which ends the browser in
	// good order.
	allocator, cancel := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	t.Cleanup(cancel)
	b := &Browser{}
	b.ctx, cancel = chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(b.ctx, browserPatience)
		defer cancel()
		_ = chromedp.Cancel(ctx) // it may have died, which the test has seen
	})
	if err := chromedp.Listen(b.ctx, b.note); err != nil { // starts it
		t.Fatalf("start %s: %v", e.Chromium, err)
	}
	return b
}

// browserPatience is how long one step of a browser may take.
const browserPatience = time.Minute

func (b *Browser) note(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch event := event.(type) {
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, event.Request.URL)
	case *log.EventEntryAdded:
		b.complaints = append(b.complaints, event.Entry.Text)
	case *runtime.EventExceptionThrown:
		text := event.ExceptionDetails.Text
		if thrown := event.ExceptionDetails.Exception; thrown != nil {
			text += ": " + thrown.Description
		}
		b.complaints = append(b.complaints, text)
	}
}

// Open opens a page and waits until it has loaded.
func (b *Browser) Open(t testing.TB, url string) {
	t.Helper()
	Browse(t, b, chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, watched := cdp.Call(ctx, tab, network.Enable, network.EnableParams{})
		_, logged := cdp.Call(ctx, tab, log.Enable, cdp.Empty{})
		_, thrown := cdp.Call(ctx, tab, runtime.Enable, cdp.Empty{})
		return errors.Join(watched, logged, thrown)
	}))
	b.mu.Lock()
	b.requests, b.complaints = nil, nil
	b.mu.Unlock()
	Browse(t, b, chromedp.Navigate(url))
}

// Requests are what the browser has asked for since a page was opened, the page
// itself included.
func (b *Browser) Requests() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.requests)
}

// Complaints are what the browser would not or could not do since a page was opened,
// and what scripts of the page have thrown that nobody has caught.
func (b *Browser) Complaints() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.complaints)
}

// Browse carries out an action and returns its result.
func Browse[T any](t testing.TB, b *Browser, action chromedp.Action[T]) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, browserPatience)
	defer cancel()
	result, err := chromedp.Run(ctx, action)
	if err != nil {
		t.Fatalf("browser: %v", err)
	}
	return result
}
