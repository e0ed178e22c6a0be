package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/openim-dr/openim-dr/internal/bucket"
	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/kube"
	"github.com/openim-dr/openim-dr/internal/mysql"
	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/scratch"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/restore"
	"github.com/openim-dr/openim-dr/verify"
)

// scratchServers are the servers of one drill.
type scratchServers struct {
	scratch []verify.Scratch
	docker  *scratch.Docker // nil: they were given
	// environment tells a command where they are: NAME=value.
	environment []string
}

// startScratch starts, or finds, a scratch server for every source of the set.
func (o *drillOrder) startScratch(ctx context.Context) (_ *scratchServers, err error) {
	s := new(scratchServers)
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close(ctx))
		}
	}()
	if o.scratch == config.ScratchGiven {
		return s, o.useGiven(ctx, s)
	}
	return s, o.startDocker(ctx, s)
}

// startDocker starts containers, after those of drills that were killed were
// removed, and after the room that is needed was found.
func (o *drillOrder) startDocker(ctx context.Context, s *scratchServers) error {
	if removed, err := scratch.Sweep(ctx, o.app.log); err != nil {
		return err
	} else if removed > 0 {
		o.app.log.Info("removed what earlier drills had left behind", "containers", removed)
	}
	deadline, _ := ctx.Deadline()
	var err error
	s.docker, err = scratch.New(ctx, scratch.Options{
		Drill: o.id, Deadline: deadline, MySQLImage: o.mysqlImage(), SeaweedFSImage: firstOf(o.settings.SeaweedFSImage, scratch.DefaultSeaweedFSImage),
		Memory: int64(o.settings.Memory), Disk: int64(o.settings.Disk), DataDirectory: o.settings.DataDirectory, Log: o.app.log,
	})
	if err != nil {
		return err
	}
	if err := o.requireRoom(ctx, s.docker); err != nil {
		return err
	}
	// Side by side: a server takes a while until it answers.
	o.app.log.Info("scratch servers are started", "drill", o.id, "sources", len(o.set.Members))
	s.scratch = make([]verify.Scratch, len(o.set.Members))
	group, starting := errgroup.WithContext(ctx)
	servers := make([]*scratch.Server, len(o.set.Members))
	for i, m := range o.set.Members {
		group.Go(func() (err error) {
			s.scratch[i], servers[i], err = o.startFor(starting, s.docker, m)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	o.app.log.Info("scratch servers answer", "drill", o.id)
	for _, server := range servers {
		if server == nil {
			continue
		}
		if err := s.tell(server); err != nil {
			return err
		}
	}
	return nil
}

// mysqlImage is the configured one, or that of the version that was captured.
func (o *drillOrder) mysqlImage() string {
	if o.settings.MySQLImage != "" {
		return o.settings.MySQLImage
	}
	for _, m := range o.set.Members {
		if m.Kind == mysql.Kind {
			return scratch.DefaultMySQLImage(mysql.VersionOf(m.Captured().Captured))
		}
	}
	return scratch.DefaultMySQLImage("")
}

// requireRoom compares what the set needs with what is free.
func (o *drillOrder) requireRoom(ctx context.Context, docker *scratch.Docker) error {
	var need, servers int64
	for _, m := range o.set.Members {
		one := o.needs(m)
		if one == 0 {
			continue
		}
		if disk := int64(o.settings.Disk); disk > 0 && one > disk {
			return fault.New(fault.Usage, "make room for the drill", "the scratch server of %s needs about %s of disk, and verify.disk allows %s", m.Source, quantity.Size(one), o.settings.Disk).
				Hint("raise verify.disk; of buckets a sample takes less: --sample 5%%")
		}
		need += one
		servers++
	}
	free, err := docker.Free(ctx)
	if err != nil {
		return err
	}
	if need > free.Disk {
		return fault.New(fault.Failed, "make room for the drill", "it needs about %s of disk, and %s are free", quantity.Size(need), quantity.Size(free.Disk)).
			Hint("free some, or name another place with verify.dataDirectory; of buckets a sample takes less: --sample 5%%")
	}
	if memory := servers * cmp.Or(int64(o.settings.Memory), scratch.DefaultMemory); memory > free.Memory {
		return fault.New(fault.Failed, "make room for the drill", "%d scratch servers may take %s of memory, and %s are available", servers, quantity.Size(memory), quantity.Size(free.Memory)).
			Hint("lower verify.memory, or drill one source after the other with --source")
	}
	return nil
}

// needs estimates the disk that the scratch server of one source takes, in bytes.
func (o *drillOrder) needs(m verify.Member) int64 {
	captured := m.Captured()
	switch {
	case m.Kind == mysql.Kind:
		return mysql.RoomFor(captured.Captured)
	case m.Kind == bucket.Kind && o.share > 0 && o.share < 1:
		return int64(o.share * float64(captured.Summary.Bytes))
	case m.Kind == bucket.Kind:
		return captured.Summary.Bytes
	default:
		return 0
	}
}

// useGiven takes the servers of a target, which have to be empty and nobody
// else's: not the flags, and not this function, can overrule that.
func (o *drillOrder) useGiven(ctx context.Context, s *scratchServers) error {
	if o.deployment.config == nil || o.settings.Given == "" {
		return usage("find the given scratch servers", "verify.given names no entry of targets").
			Hint("name one in the configuration, or drill with --scratch docker")
	}
	for _, m := range o.set.Members {
		target, ok := o.givenFor(m)
		switch {
		case m.Kind == kube.Kind:
			rehearsal, err := o.rehearsal(m)
			if err != nil {
				return err
			}
			s.scratch = append(s.scratch, rehearsal)
			continue
		case !ok:
			return usage("find the given scratch servers", "target %s has no server for source %s", o.settings.Given, m.Source).
				Hint("add one under its name, or leave the source out with --source")
		}
		opened, err := openSource(target, sourceOptions{limits: o.deployment.limits()})
		if err != nil {
			return err
		}
		s.scratch = append(s.scratch, verify.Scratch{
			Source:   restore.Source{Name: m.Source, Kind: m.Kind, Phase: opened.kind.phase, Restorer: opened.Source},
			Server:   repository.ProofServer{Source: m.Source, Version: versionOf(ctx, opened.Source)},
			Versions: m.Kind == bucket.Kind && bucket.HoldsVersions(m.Captured().Captured),
		})
		if err := s.tell(serverOf(target)); err != nil {
			return err
		}
	}
	given, others, err := scratchPeers(o.deployment.config)
	if err != nil {
		return err
	}
	unanswered, err := scratch.RequireScratch(ctx, given, others)
	for _, name := range unanswered {
		o.app.log.Warn("a configured server did not answer: that it is none of the given ones is known from its address alone", "server", name)
	}
	return err
}

// versionOf asks a server that is given for its version, where its kind has one.
// Whether it answers at all a restore says.
func versionOf(ctx context.Context, s source.Source) string {
	versioned, ok := s.(interface {
		Version(ctx context.Context) (string, error)
	})
	if !ok {
		return ""
	}
	version, err := versioned.Version(ctx)
	if err != nil {
		return ""
	}
	return version
}

// serverOf describes a server that is given as if it had been started.
func serverOf(s config.Source) *scratch.Server {
	switch settings := s.Settings.(type) {
	case *mysql.Settings:
		return &scratch.Server{Source: s.Name, Kind: scratch.MySQL, Address: settings.Address, User: settings.User, Password: settings.Password}
	case *bucket.Settings:
		return &scratch.Server{
			Source: s.Name, Kind: scratch.Buckets, Endpoint: settings.Endpoint, Region: settings.Region, AccessKey: settings.AccessKey, SecretKey: settings.SecretKey,
		}
	default:
		return &scratch.Server{Source: s.Name}
	}
}

// startFor starts the server of one source; none where its kind needs none.
func (o *drillOrder) startFor(ctx context.Context, docker *scratch.Docker, m verify.Member) (verify.Scratch, *scratch.Server, error) {
	settings := o.settingsOf(m)
	var server *scratch.Server
	var err error
	switch m.Kind {
	case mysql.Kind:
		if server, err = docker.MySQL(ctx, m.Source, mysql.ScratchFlags(m.Captured().Captured)...); err == nil {
			settings = settings.(*mysql.Settings).Into(server.Address, server.User, server.Password)
		}
	case bucket.Kind:
		if server, err = docker.S3(ctx, m.Source); err == nil {
			settings = settings.(*bucket.Settings).Into(server.Endpoint, server.Region, server.AccessKey, server.SecretKey)
		}
	case kube.Kind:
		rehearsal, err := o.rehearsal(m)
		return rehearsal, nil, err
	default:
		err = usage("drill source "+m.Source, "this version knows no scratch server for kind %q", m.Kind)
	}
	if err != nil {
		return verify.Scratch{}, nil, err
	}
	opened, err := openSource(config.Source{Name: m.Source, Kind: m.Kind, Settings: settings}, sourceOptions{limits: o.deployment.limits(), scratch: true})
	made := verify.Scratch{
		Source: restore.Source{Name: m.Source, Kind: m.Kind, Phase: opened.kind.phase, Restorer: opened.Source},
		Server: repository.ProofServer{Source: m.Source, Version: server.Version, Image: server.Image, StartSeconds: server.Started.Seconds()},
	}
	switch {
	case m.Kind == mysql.Kind:
		made.Notes = []string{"its scratch server neither logs nor syncs what it writes: production may take longer"}
	case bucket.HoldsVersions(m.Captured().Captured):
		made.LeftOut = "older versions of objects were not restored, since SeaweedFS keeps none: verify.given can name a server that does"
	}
	return made, server, err
}

// settingsOf returns what a source is configured with, or nothing but its kind.
func (o *drillOrder) settingsOf(m verify.Member) config.Settings {
	if c := o.deployment.config; c != nil {
		if s, ok := c.SourceNamed(m.Source); ok && s.Kind == m.Kind {
			return s.Settings
		}
	}
	if k, ok := kindNamed(m.Kind); ok {
		return k.settings()
	}
	return nil
}

// rehearsal goes through the documents of a cluster, which are offered to the API
// server of the given target, where there is one.
func (o *drillOrder) rehearsal(m verify.Member) (verify.Scratch, error) {
	settings, _ := o.settingsOf(m).(*kube.Settings)
	version := "none: documents are read, and held against their kinds"
	given, ok := o.givenFor(m)
	if ok {
		settings, version = given.Settings.(*kube.Settings), "a dry run in a namespace of its own" // of this kind
	}
	rehearsal, err := kube.NewRehearsal(m.Source, settings, ok)
	return verify.Scratch{
		Source: restore.Source{Name: m.Source, Kind: m.Kind, Phase: source.Configuration, Restorer: rehearsal},
		Server: repository.ProofServer{Source: m.Source, Version: version},
	}, err
}

// givenFor returns the entry of the given target for a source.
func (o *drillOrder) givenFor(m verify.Member) (config.Source, bool) {
	if o.deployment.config == nil || o.settings.Given == "" {
		return config.Source{}, false
	}
	target := o.deployment.config.Targets[o.settings.Given]
	at := slices.IndexFunc(target, func(s config.Source) bool { return s.Name == m.Source && s.Kind == m.Kind })
	if at < 0 {
		return config.Source{}, false
	}
	return target[at], true
}

// tell adds a server to what commands are told.
func (s *scratchServers) tell(server *scratch.Server) error {
	prefix := "OPENIM_DR_SCRATCH_" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToUpper(server.Source))
	add := func(what, value string) { s.environment = append(s.environment, prefix+"_"+what+"="+value) }
	secrets := []struct {
		what string
		ref  interface {
			Resolve() (string, error)
			IsZero() bool
		}
	}{{"PASSWORD", server.Password}, {"ACCESS_KEY", server.AccessKey}, {"SECRET_KEY", server.SecretKey}}
	if server.Kind == scratch.MySQL {
		add("ADDRESS", server.Address)
		add("USER", server.User)
	} else {
		add("ENDPOINT", server.Endpoint)
		add("REGION", server.Region)
	}
	for _, secret := range secrets {
		if secret.ref.IsZero() {
			continue
		}
		value, err := secret.ref.Resolve()
		if err != nil {
			return fmt.Errorf("read what the scratch server of %s takes: %w", server.Source, err)
		}
		add(secret.what, value)
	}
	return nil
}

// watch ends when a server is no longer what it has to be.
func (s *scratchServers) watch(ctx context.Context) error {
	if s.docker == nil {
		<-ctx.Done()
		return nil
	}
	return s.docker.Watch(ctx)
}

// look asks the servers why a restore has failed.
func (s *scratchServers) look(ctx context.Context) error {
	if s.docker == nil {
		return nil
	}
	return s.docker.Look(ctx)
}

// runImage runs a command in a container that reaches the scratch servers.
func (s *scratchServers) runImage(ctx context.Context, image string, command []string, log *slog.Logger) error {
	if s.docker == nil {
		return errors.New("an image needs verify.scratch docker")
	}
	return s.docker.Run(ctx, image, command, s.environment, log)
}

// close removes the servers.
func (s *scratchServers) close(ctx context.Context) error {
	if s.docker == nil {
		return nil
	}
	return s.docker.Close(ctx)
}
