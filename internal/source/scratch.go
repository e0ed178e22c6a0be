package source

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/openim-dr/openim-dr/internal/repository"
)

// What follows is for drills, which restore into servers that hold nothing, and
// leave them so.

// Identified is an optional ability of a source: it says which server it is,
// whatever the name is that leads to it.
type Identified interface {
	// Identity returns marks of the server: where it is reached, and what it says
	// of itself. Two that share a mark are one server. With an error come those
	// marks that could be had, since a server need not answer.
	Identity(ctx context.Context) ([]string, error)
}

// Inhabited is an optional ability of a source: it says what its server holds,
// configured or not.
type Inhabited interface {
	// Inhabitants returns everything that is not the server's own.
	Inhabitants(ctx context.Context) ([]Occupied, error)
}

// Clearer is an optional ability of a source: it takes back what a restore has
// brought, whether that has ended or not.
type Clearer interface {
	// Clear removes what the plan was to create, and nothing else. It refuses a
	// plan that found anything in its place. It may be called again.
	Clear(ctx context.Context, from *repository.SourceReader, plan *Plan) error
}

// local marks an address of this machine, whichever of them it is: a server that
// listens on several is one.
const local = "this machine"

// AddressMarks returns the marks of where a server is reached: HOST:PORT with the
// host resolved. Several addresses of this machine are one.
func AddressMarks(ctx context.Context, address string) ([]string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	spelled := addressMark(strings.ToLower(host), port)
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return []string{spelled}, fmt.Errorf("resolve %s: %w", host, err)
	}
	own, err := ownAddresses()
	if err != nil {
		return []string{spelled}, err
	}
	marks := []string{spelled}
	for _, a := range addresses {
		mark := addressMark(a.Unmap().String(), port)
		if a.Unmap().IsLoopback() || a.Unmap().IsUnspecified() || slices.Contains(own, a.Unmap()) {
			mark = addressMark(local, port)
		}
		if !slices.Contains(marks, mark) {
			marks = append(marks, mark)
		}
	}
	return marks, nil
}

func addressMark(host, port string) string { return "address " + net.JoinHostPort(host, port) }

func ownAddresses() ([]netip.Addr, error) {
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("list the addresses of this machine: %w", err)
	}
	var own []netip.Addr
	for _, i := range interfaces {
		if prefix, err := netip.ParsePrefix(i.String()); err == nil {
			own = append(own, prefix.Addr().Unmap())
		}
	}
	return own, nil
}
