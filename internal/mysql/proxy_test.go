package mysql

import (
	"context"
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

// networkFault is something that happens to a network at one byte.
type networkFault string

const (
	noFault    networkFault = "nothing"
	cutOne     networkFault = "one connection is cut"
	stallOne   networkFault = "one connection stalls"
	trickleOne networkFault = "one connection trickles"
	resetAll   networkFault = "all connections are reset"
	stallAll   networkFault = "all connections stall"
)

var networkFaults = []networkFault{cutOne, stallOne, trickleOne, resetAll, stallAll}

// network is a proxy before a server, with one fault at one byte, counted over
// all its connections in one direction.
type network struct {
	proxy   *toxiproxy.Proxy
	fault   networkFault
	at      atomic.Int64
	passed  atomic.Int64
	struck  atomic.Bool
	ended   context.Context
	strikes sync.WaitGroup
	close   func()
}

// networks finds the network of a toxic, which toxiproxy makes from JSON.
var networks sync.Map

// faultAt is a toxic that strikes when its network has passed so many bytes.
type faultAt struct {
	Network string `json:"network"`
}

var register = sync.OnceFunc(func() {
	zerolog.SetGlobalLevel(zerolog.Disabled) // toxics log to the global logger
	toxics.Register("fault_at", new(faultAt))
})

// newNetwork starts a proxy. direction is "upstream", towards the server, or
// "downstream".
func newNetwork(t testing.TB, address, direction string, fault networkFault, at int64) *network {
	t.Helper()
	register()
	n := &network{fault: fault}
	n.at.Store(at)
	var end context.CancelFunc
	n.ended, end = context.WithCancel(t.Context())
	name := randomName()
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
	n.add(t, fmt.Sprintf(`{"type": "fault_at", "stream": %q, "attributes": {"network": %q}}`, direction, name))
	return n
}

func (n *network) add(t testing.TB, toxic string) {
	if _, err := n.proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
		t.Error(err)
	}
}

// Pipe passes on what comes, until the fault strikes.
func (f *faultAt) Pipe(stub *toxics.ToxicStub) {
	found, _ := networks.Load(f.Network)
	n := found.(*network)
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
func (n *network) pass(stub *toxics.ToxicStub, chunk *stream.StreamChunk) bool {
	size := int64(len(chunk.Data))
	total := n.passed.Add(size)
	if n.fault == noFault || total < n.at.Load() || !n.struck.CompareAndSwap(false, true) {
		return n.send(stub, chunk.Data)
	}
	before := chunk.Data[:max(0, size-(total-n.at.Load()))]
	if !n.send(stub, before) {
		return false
	}
	rest := chunk.Data[len(before):]
	switch n.fault {
	case cutOne:
		stub.Close()
		return false
	case stallOne:
		<-n.ended.Done()
		stub.Close()
		return false
	case trickleOne:
		return n.trickle(stub, rest)
	case resetAll, stallAll:
		n.strikeAll()
		return n.send(stub, rest)
	default:
		panic("unknown fault " + n.fault)
	}
}

func (n *network) send(stub *toxics.ToxicStub, data []byte) bool {
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
func (n *network) trickle(stub *toxics.ToxicStub, data []byte) bool {
	for len(data) > 0 {
		few := min(len(data), 16)
		if pause(n.ended, time.Millisecond) != nil || !n.send(stub, data[:few]) {
			return false
		}
		data = data[few:]
	}
	return true
}

// strikeAll does to every connection what toxiproxy itself can do. It may not
// be done by a toxic, for whose end it waits.
func (n *network) strikeAll() {
	toxic := `{"type": "timeout", "stream": %q, "attributes": {"timeout": 0}}`
	if n.fault == resetAll {
		toxic = `{"type": "reset_peer", "stream": %q, "attributes": {"timeout": 0}}`
	}
	for _, direction := range []string{"upstream", "downstream"} {
		n.strikes.Go(func() {
			_, _ = n.proxy.Toxics.AddToxicJson(strings.NewReader(fmt.Sprintf(toxic, direction))) // a proxy that has ended meanwhile needs none
		})
	}
}

// through returns the account by way of the network.
func (n *network) through(as account) account {
	as.address = n.proxy.Listen
	return as
}
