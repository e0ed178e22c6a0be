package main

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// relay passes connections on to a server, and counts what is sent to it.
type relay struct {
	listener net.Listener
	server   string
	sent     atomic.Int64 // bytes, of connections that have ended
	open     sync.WaitGroup
}

// startRelay listens until it is closed.
func startRelay(ctx context.Context, server string) (*relay, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &relay{listener: listener, server: server}
	r.open.Go(func() { r.accept(ctx) })
	return r, nil
}

func (r *relay) address() string { return r.listener.Addr().String() }

func (r *relay) accept(ctx context.Context) {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return // it is closed
		}
		r.open.Go(func() { r.pass(ctx, client) })
	}
}

// pass ends both ways when either side ends.
func (r *relay) pass(ctx context.Context, client net.Conn) {
	var dialer net.Dialer
	server, err := dialer.DialContext(ctx, "tcp", r.server)
	if err != nil {
		_ = client.Close() // which the client sees
		return
	}
	end := sync.OnceFunc(func() { _, _ = client.Close(), server.Close() })
	defer context.AfterFunc(ctx, end)()
	defer end()
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(client, server)
		end()
	})
	n, _ := io.Copy(server, client)
	r.sent.Add(n)
	end()
	back.Wait()
}

// close ends all connections, and waits for them.
func (r *relay) close() error {
	err := r.listener.Close()
	r.open.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
