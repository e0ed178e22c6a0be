// Package network is the way to a server in a test, with one fault at one byte.
package network

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
	"github.com/rs/zerolog"
)

// Fault is something that happens to a network at one byte.
type Fault string

// The faults.
const (
	None       Fault = "nothing"
	CutOne     Fault = "one connection is cut"
	StallOne   Fault = "one connection stalls"
	TrickleOne Fault = "one connection trickles"
	ResetAll   Fault = "all connections are reset"
	StallAll   Fault = "all connections stall"
)

// Faults are all that are any.
var Faults = []Fault{CutOne, StallOne, TrickleOne, ResetAll, StallAll}

// Network is a proxy before a server, with one fault at one byte, counted over
// all its connections in one direction.
type Network struct {
	proxy   *toxiproxy.Proxy
	fault   Fault
	at      atomic.Int64
	passed  atomic.Int64
	struck  atomic.Bool
	ended   context.Context
	strikes sync.WaitGroup
	close   func()
}

// networks finds the Network of a toxic, which toxiproxy makes from JSON.
var networks sync.Map

// faultAt is a toxic that strikes when its network has passed so many bytes.
type faultAt struct {
	Network string `json:"network"`
}

var register = sync.OnceFunc(func() {
	zerolog.SetGlobalLevel(zerolog.Disabled) // toxics log to the global logger
	toxics.Register("fault_at", new(faultAt))
})

// New starts a proxy before an address (host:port), which ends with the test.
// direction is "upstream", towards the server, or "downstream".
func New(t testing.TB, address, direction string, fault Fault, at int64) *Network {
	t.Helper()
	register()
	n := &Network{fault: fault}
	n.at.Store(at)
	var end context.CancelFunc
	n.ended, end = context.WithCancel(t.Context())
	name := rand.Text()
	networks.Store(name, n)
	n.proxy = toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), name, "127.0.0.1:0", address)
	if err := n.proxy.Start(); err != nil {
		t.Fatal(err)
	}
	n.close = sync.OnceFunc(func() {
		end()
		n.strikes.Wait()
		n.proxy.Stop()
		networks.Delete(name)
	})
	t.Cleanup(n.close)
	n.Add(t, fmt.Sprintf(`{"type": "fault_at", "stream": %q, "attributes": {"network": %q}}`, direction, name))
	return n
}

// Address is where the server is reached through the network (host:port).
func (n *Network) Address() string { return n.proxy.Listen }

// Passed is how many bytes have passed in the direction of the fault.
func (n *Network) Passed() int64 { return n.passed.Load() }

// Struck says whether the fault has happened.
func (n *Network) Struck() bool { return n.struck.Load() }

// Rearm has the fault happen (again) after so many more bytes.
func (n *Network) Rearm(after int64) {
	n.at.Store(n.passed.Load() + after)
	n.struck.Store(false)
}

// Close ends the network and all its connections.
func (n *Network) Close() { n.close() }

// Remove takes a toxic away that Add has added.
func (n *Network) Remove(t testing.TB, name string) {
	if err := n.proxy.Toxics.RemoveToxic(t.Context(), name); err != nil {
		t.Error(err)
	}
}

// Add adds one of toxiproxy's own toxics.
func (n *Network) Add(t testing.TB, toxic string) {
	if _, err := n.proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
		t.Error(err)
	}
}

// Pipe passes on what comes, until the fault strikes.
func (f *faultAt) Pipe(stub *toxics.ToxicStub) {
	found, ok := networks.Load(f.Network)
	if !ok { // toxiproxy starts a connection's toxics without waiting, and the network has ended meanwhile
		stub.Close()
		return
	}
	n := found.(*Network)
	for {
		select {
		case <-stub.Interrupt:
			return
		case <-n.ended.Done():
			stub.Close()
			return
		case chunk := <-stub.Input:
			if chunk == nil {
				stub.Close()
				return
			}
			if !n.pass(stub, chunk) {
				return
			}
		}
	}
}

// pass reports whether the connection goes on.
func (n *Network) pass(stub *toxics.ToxicStub, chunk *stream.StreamChunk) bool {
	size := int64(len(chunk.Data))
	total := n.passed.Add(size)
	if n.fault == None || total < n.at.Load() || !n.struck.CompareAndSwap(false, true) {
		return n.send(stub, chunk.Data)
	}
	before := chunk.Data[:max(0, size-(total-n.at.Load()))]
	if !n.send(stub, before) {
		return false
	}
	rest := chunk.Data[len(before):]
	switch n.fault {
	case CutOne:
		stub.Close()
		return false
	case StallOne:
		<-n.ended.Done()
		stub.Close()
		return false
	case TrickleOne:
		return n.trickle(stub, rest)
	case ResetAll, StallAll:
		n.strikeAll()
		return n.send(stub, rest)
	default:
		panic("unknown fault " + n.fault)
	}
}

func (n *Network) send(stub *toxics.ToxicStub, data []byte) bool {
	if len(data) == 0 {
		return true
	}
	select {
	case stub.Output <- &stream.StreamChunk{Data: data, Timestamp: time.Now()}:
		return true
	case <-n.ended.Done():
		stub.Close()
		return false
	}
}

// trickle sends a few bytes at a time.
func (n *Network) trickle(stub *toxics.ToxicStub, data []byte) bool {
	for len(data) > 0 {
		few := min(len(data), 16)
		select {
		case <-time.After(time.Millisecond):
		case <-n.ended.Done():
			return false
		}
		if !n.send(stub, data[:few]) {
			return false
		}
		data = data[few:]
	}
	return true
}

// strikeAll does to every connection what toxiproxy itself can do. It may not
// be done by a toxic, for whose end it waits.
func (n *Network) strikeAll() {
	toxic := `{"type": "timeout", "stream": %q, "attributes": {"timeout": 0}}`
	if n.fault == ResetAll {
		toxic = `{"type": "reset_peer", "stream": %q, "attributes": {"timeout": 0}}`
	}
	for _, direction := range []string{"upstream", "downstream"} {
		n.strikes.Go(func() {
			_, _ = n.proxy.Toxics.AddToxicJson(strings.NewReader(fmt.Sprintf(toxic, direction))) // a proxy that has ended meanwhile needs none
		})
	}
}
