// Package port finds ports for servers of tests, on the only interface that
// they use.
package port

import (
	"fmt"
	"math/rand/v2"
	"net"
)

// Ports lie below the range that the kernel takes the ends of outgoing
// connections from, so that none is taken while its server is down for a moment.
const first, last = 20000, 32000

// Choose returns a port that is free now. Another process may take it before it
// is used: whoever starts a server has to be ready to choose again.
func Choose() int {
	for {
		if port := first + rand.IntN(last-first); Free(port) {
			return port
		}
	}
}

// Free reports whether nobody listens on a port.
func Free(port int) bool {
	listener, err := net.Listen("tcp", Address(port))
	if err != nil {
		return false
	}
	listener.Close()
	return true
}

// Address returns where a port is reached, as host:port.
func Address(port int) string {
	return fmt.Sprintf("127.0.0.1:%d", port)
}
