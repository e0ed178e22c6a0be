package starter

import "github.com/openim-dr/openim-dr/internal/testbed/port"

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

// address returns where the port of a purpose is reached.
func (tb *Testbed) address(purpose string) string {
	return port.Address(tb.port(purpose))
}

// forgetPorts lets new ports be chosen for purposes whose ports are in others'
// hands. It is called while the servers that use them are stopped.
func (tb *Testbed) forgetPorts(purposes ...string) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	for _, purpose := range purposes {
		if kept, ok := tb.state.Ports[purpose]; ok && !port.Free(kept) {
			delete(tb.state.Ports, purpose)
		}
	}
}

func (tb *Testbed) choosePort() int {
	taken := map[int]bool{}
	for _, kept := range tb.state.Ports {
		taken[kept] = true
	}
	for {
		if chosen := port.Choose(); !taken[chosen] {
			return chosen
		}
	}
}
