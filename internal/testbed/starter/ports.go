package starter

import (
	"fmt"
	"math/rand/v2"
	"net"
)

// Ports lie below the range that the kernel takes the ends of outgoing
// connections from, so that none is taken while its server is down for a moment.
const firstPort, lastPort = 20000, 32000

// port returns the port that is kept for a purpose, choosing a free one the
// first time.
func (tb *Testbed) port(purpose string) int {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	if tb.state.Ports == nil {
		tb.state.Ports = map[string]int{}
	}
	if tb.state.Ports[purpose] == 0 {
		tb.state.Ports[purpose] = tb.choosePort()
	}
	return tb.state.Ports[purpose]
}

// forgetPorts lets new ports be chosen for purposes whose ports are in others'
// hands. It is called while the servers that use them are stopped.
func (tb *Testbed) forgetPorts(purposes ...string) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	for _, purpose := range purposes {
		if port, kept := tb.state.Ports[purpose]; kept && !portFree(port) {
			delete(tb.state.Ports, purpose)
		}
	}
}

func (tb *Testbed) choosePort() int {
	taken := map[int]bool{}
	for _, port := range tb.state.Ports {
		taken[port] = true
	}
	for {
		port := firstPort + rand.IntN(lastPort-firstPort)
		if !taken[port] && portFree(port) {
			return port
		}
	}
}

func portFree(port int) bool {
	listener, err := net.Listen("tcp", address(port))
	if err != nil {
		return false
	}
	listener.Close()
	return true
}

// address is a port on the only interface that the testbed uses.
func address(port int) string {
	return fmt.Sprintf("127.0.0.1:%d", port)
}
