package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/daemon"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/web"
)

// mostHeaders bounds the headers of a request, in bytes.
const mostHeaders = 64 << 10

// serve answers under an address, if one is given, until end is called.
func (r *runDaemon) serve(ctx context.Context, address string) (end func(), err error) {
	if address == "" {
		return func() {}, nil
	}
	server := &http.Server{
		Handler: r.handler(), ReadHeaderTimeout: httpTimeout, WriteTimeout: httpTimeout, IdleTimeout: time.Minute, MaxHeaderBytes: mostHeaders,
		ErrorLog: slog.NewLogLogger(r.app.log.Handler(), slog.LevelDebug),
	}
	if err := r.secure(server); err != nil {
		return nil, err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, usage("listen", "%w", err).On(address).Hint("--http takes an address of this machine with a port that is free, such as :8080")
	}
	serve, secured := server.Serve, server.TLSConfig != nil
	if secured {
		serve = func(l net.Listener) error { return server.ServeTLS(l, "", "") }
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := serve(listener); !errors.Is(err, http.ErrServerClosed) {
			r.app.log.Error("probes and metrics are not answered any more", "error", err.Error())
		}
	}()
	r.listens = true
	r.app.log.Info("answering probes and metrics", "address", listener.Addr().String(), "tls", secured)
	return func() {
		r.board.Close()
		ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), httpTimeout)
		defer stop()
		_ = server.Shutdown(ctx) // whoever still asks is let go
		<-ended
	}, nil
}

// handler answers probes to everybody, and all else to those who have the token.
func (r *runDaemon) handler() http.Handler {
	own := daemon.Handler(r.health, r.registry)
	inside := http.NewServeMux()
	inside.Handle("/metrics", own)
	inside.Handle("/", web.Handler(r.board, version))
	all := http.NewServeMux()
	all.Handle("/livez", own)
	all.Handle("/readyz", own)
	all.Handle("/", web.Guard(inside, r.token))
	return all
}

// secure looks whether the token can be read, and readies TLS where there is a
// certificate.
func (r *runDaemon) secure(server *http.Server) error {
	h := r.configuration().HTTP()
	if _, err := tokenOf(h); err != nil {
		return err
	}
	certificate, given := h.Certificate.Path()
	if !given {
		return nil
	}
	key, _ := h.Key.Path()
	loaded, err := web.LoadCertificate(certificate, key, r.app.log)
	if err != nil {
		return usage("read daemon.http.certificate", "%w", err).Hint("give a certificate with its chain and its key, both in PEM")
	}
	server.TLSConfig = loaded.Config()
	return nil
}

// refuseTLS refuses a configuration that speaks TLS otherwise than the daemon does, which
// listens already: whoever asks would find another protocol than it was told of, or, where
// TLS cannot be had, none. Files that are exchanged under their names are read again.
func (r *runDaemon) refuseTLS(now *config.Config) error {
	if !r.listens {
		return nil
	}
	if h, before := now.HTTP(), r.configuration().HTTP(); h.Certificate != before.Certificate || h.Key != before.Key {
		return usage("run", "daemon.http.certificate or daemon.http.key is another one than when the daemon was started, and that takes a new start").Hint("start openim-dr run again")
	}
	return nil
}

// token is what whoever looks has to give, or nothing. That it cannot be read any more
// is told by /readyz.
func (r *runDaemon) token() (string, error) {
	token, err := tokenOf(r.configuration().HTTP())
	r.health.Set(daemon.HTTPPart, err)
	return token, err
}

func tokenOf(h config.HTTP) (string, error) {
	if h.Token.IsZero() {
		return "", nil
	}
	token, err := h.Token.Resolve()
	if err != nil {
		return "", usage("read daemon.http.token", "%w", err).Hint("see that it is there where openim-dr runs")
	}
	if len(token) < web.LeastToken {
		return "", usage("read daemon.http.token", "it has %d characters, and %d at least are wanted", len(token), web.LeastToken).Hint("make one: openssl rand -hex 32")
	}
	return token, nil
}

// saw shows what a look has found of the repository: its points, and the last runs, of
// which those that are known are not read again.
func (r *runDaemon) saw(ctx context.Context, c *config.Config, l *repository.Listing, log *repository.ScheduleLog, last map[string]*repository.ScheduleRun) error {
	runs := map[string][]repository.ScheduleRun{}
	var sources []string
	for _, s := range c.Sources {
		sources = append(sources, s.Name)
	}
	for schedule, run := range last {
		known := r.runs[schedule]
		switch {
		case run == nil:
		case len(known) > 0 && known[0].Number == run.Number:
			runs[schedule] = known
		default:
			recent, err := log.Recent(ctx, schedule, web.MostRuns, known)
			if err != nil {
				return err
			}
			runs[schedule] = recent
		}
	}
	r.runs = runs
	r.board.Runs(runs)
	r.board.Saw(web.See(l, c.Instance, sources))
	return nil
}
