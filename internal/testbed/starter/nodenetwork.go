package starter

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// The node's network is reached over a pair of virtual interfaces. There is no
// route from the node to anywhere else.
const (
	podNetwork     = "10.244.0.0/24"
	serviceNetwork = "10.96.0.0/24"
	firstService   = "10.96.0.1" // is the API server's
	dnsReadyPort   = 8181
	nodeAPIPort    = 6443
)

// testNetwork is set aside for tests of networks (RFC 2544): nobody routes it.
var testNetwork = netip.MustParsePrefix("198.18.0.0/15")

// link is the host's end of the pair.
func (n *Node) link() string { return "dr-" + n.tb.id }

// chooseNetwork keeps four addresses of the test network for the node, by the
// checkout's id unless others have these.
func (n *Node) chooseNetwork() error {
	id, err := hex.DecodeString(n.tb.id)
	if err != nil {
		return err
	}
	taken := map[netip.Prefix]bool{}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return err
	}
	for _, a := range addresses {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			taken[prefix.Masked()] = true
		}
	}
	const networks = 1 << 15
	for try := range uint32(networks) {
		index := (uint32(binary.BigEndian.Uint16(id)) + try) % networks
		base := testNetwork.Addr().As4()
		binary.BigEndian.PutUint32(base[:], binary.BigEndian.Uint32(base[:])+4*index)
		network := netip.PrefixFrom(netip.AddrFrom4(base), 30)
		if !taken[network] {
			n.tb.state.NodeNetwork = network
			return n.tb.save()
		}
	}
	return fmt.Errorf("every network of %s is taken", testNetwork)
}

// host and address are the two ends.
func (n *Node) host() netip.Addr    { return n.tb.state.NodeNetwork.Addr().Next() }
func (n *Node) address() netip.Addr { return n.host().Next() }

func (n *Node) url() string { return fmt.Sprintf("https://%s:%d", n.address(), nodeAPIPort) }

// connect joins the host's network and that of the node, whose processes wait for it.
func (n *Node) connect(ctx context.Context, p process) error {
	first := 0
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err := poll(ctx, 20*time.Millisecond, func() (bool, error) {
		pids, _ := n.tb.running(nodeName)
		if len(pids) == 1 {
			first = pids[0]
		}
		return first != 0, nil
	})
	if err != nil {
		return fmt.Errorf("wait for the node's first process: %w: %s", err, tail(p.log, 3))
	}
	mask, inside := "/30", []string{"nsenter", "--target", strconv.Itoa(first), "--net", "--"}
	for _, command := range [][]string{
		{"ip", "link", "add", n.link(), "type", "veth", "peer", "name", "eth0", "netns", strconv.Itoa(first)},
		{"ip", "address", "add", n.host().String() + mask, "dev", n.link()},
		{"ip", "link", "set", n.link(), "up"},
		append(inside, "ip", "link", "set", "lo", "up"),
		append(inside, "ip", "address", "add", n.address().String()+mask, "dev", "eth0"),
		append(inside, "ip", "link", "set", "eth0", "up"),
	} {
		var out strings.Builder
		if err := run(ctx, &out, command[0], command[1:]...); err != nil {
			return fmt.Errorf("%s: %w: %s", strings.Join(command, " "), err, strings.TrimSpace(out.String()))
		}
	}
	return nil
}

// removeLink removes what the end of the node's network has removed already, or is
// about to.
func (n *Node) removeLink(ctx context.Context) {
	_ = run(ctx, io.Discard, "ip", "link", "delete", n.link())
}
