package cache

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/tlsmode"
)

// Every wait for a server ends (invariant 9): dialing, TLS included, after the
// first, each answer after the second. Both are tried twice.
const (
	dialTimeout = 10 * time.Second
	readTimeout = 20 * time.Second
)

// silence turns off the library's own log, which goes to standard error: what
// happens is returned, and nothing quotes a key.
var silence = sync.OnceFunc(logging.Disable)

// connection is one conversation with a server: made when it is needed, so that
// the password is read at the moment of use.
type connection struct {
	cache     *Cache
	version   string
	databases []*database
	remove    remover
}

// database is a logical database of one server, or the one of a cluster.
type database struct {
	number int
	client redis.UniversalClient
}

func (c *connection) close() {
	for _, d := range c.databases {
		_ = d.client.Close() // nothing is left to be written
	}
}

// open connects to every configured database, and finds out whether keys can
// be deleted there.
func (c *Cache) open(ctx context.Context) (*connection, error) {
	options, err := c.options()
	if err != nil {
		return nil, err
	}
	conn := &connection{cache: c}
	info, err := c.info(ctx, options)
	if err == nil {
		err = c.judge(info)
	}
	if err != nil {
		return nil, err
	}
	conn.version = info.version()
	for _, number := range c.settings.databases() {
		options.DB = number
		d := &database{number: number}
		if info.cluster() {
			d.client = redis.NewClusterClient(options.Cluster())
		} else {
			d.client = redis.NewClient(options.Simple())
		}
		conn.databases = append(conn.databases, d)
	}
	if conn.remove, err = conn.findRemover(ctx); err != nil {
		conn.close()
		return nil, err
	}
	return conn, nil
}

func (c *Cache) options() (*redis.UniversalOptions, error) {
	silence()
	o := &redis.UniversalOptions{
		Addrs: []string{c.settings.Address}, Username: c.settings.User,
		// Not every server knows version 3 of the protocol, and what only that
		// one can do is not needed.
		Protocol: 2, DisableIdentity: true, MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		DialTimeout: c.dial, ReadTimeout: readTimeout, WriteTimeout: readTimeout, ContextTimeoutEnabled: true,
		MaxRetries: 1, DialerRetries: 1, MaxRedirects: 3, PoolSize: 2,
	}
	var err error
	if !c.settings.Password.IsZero() {
		if o.Password, err = c.settings.Password.Resolve(); err != nil {
			return nil, c.fault(fault.Usage, "connect to", "password: %w", err).Hint("set the variable or the file that the configuration names")
		}
	}
	if o.TLSConfig, err = c.settings.tls().Config(tlsmode.Disabled, ""); err != nil {
		return nil, c.fault(fault.Usage, "connect to", "%w", err).
			Hint("check that the file is there, that openim-dr may read it, and that it is PEM; a private key must have no passphrase")
	}
	return o, nil
}

// info is what a server says about itself: NAME -> value.
type info map[string]string

// info asks the server about itself. One that does not allow that is taken for a
// single one.
func (c *Cache) info(ctx context.Context, options *redis.UniversalOptions) (info, error) {
	options.DB = 0
	client := redis.NewClient(options.Simple())
	defer client.Close() //nolint:errcheck // nothing is left to be written
	started := time.Now()
	text, err := client.Info(ctx).Result()
	switch {
	case codeOf(err) == codeForbidden:
		return info{}, nil
	case err != nil:
		return nil, c.fail("connect to", started, err)
	}
	found := info{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			found[name] = value
		}
	}
	return found, nil
}

func (i info) cluster() bool { return i["cluster_enabled"] == "1" }

// version names the server, too, where it is not Redis itself.
func (i info) version() string {
	for _, kind := range []string{"dragonfly", "valkey", "redis"} {
		if version := i[kind+"_version"]; version != "" {
			return kind + " " + version
		}
	}
	return "of a version that it does not tell"
}

// judge refuses a server on which deleting would do no good. A replica may be
// writable, and would only differ from its primary then.
func (c *Cache) judge(i info) error {
	replica := i["role"] == "slave" || i["role"] == "replica"
	if replica && !i.cluster() { // any node of a cluster leads to its primaries
		e := c.fault(fault.Usage, "delete keys from", "it is a replica")
		if host := i["master_host"]; host != "" {
			return e.Hint("set address to its primary, %s:%s", host, i["master_port"])
		}
		return e.Hint("set address to its primary")
	}
	if databases := c.settings.databases(); i.cluster() && (len(databases) > 1 || databases[0] != 0) {
		return c.fault(fault.Usage, "delete keys from", "it is a cluster, which has the one database 0").Hint("leave databases out")
	}
	return nil
}

// masters calls fn for each server that holds keys of the database, those of a
// cluster at the same time.
func (d *database) masters(ctx context.Context, fn func(context.Context, redis.Cmdable) error) error {
	if cluster, ok := d.client.(*redis.ClusterClient); ok {
		return cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error { return fn(ctx, node) })
	}
	return fn(ctx, d.client)
}

// remover asks for the removal of one key. Keys are removed one by one, many in
// one message: those of one command would have to be of one slot in a cluster.
type remover func(ctx context.Context, through redis.Cmdable, key string) *redis.IntCmd

func unlink(ctx context.Context, through redis.Cmdable, key string) *redis.IntCmd {
	return through.Unlink(ctx, key)
}

func del(ctx context.Context, through redis.Cmdable, key string) *redis.IntCmd {
	return through.Del(ctx, key)
}

// findRemover tries the removal of keys that nobody has, one of each pattern, so
// that what is forbidden is known before anything is deleted. UNLINK, which
// frees memory beside the server's work, is unknown or forbidden on some.
func (c *connection) findRemover(ctx context.Context) (remover, error) {
	err := c.tryRemover(ctx, unlink)
	if err == nil {
		return unlink, nil
	}
	if code := codeOf(err); code != codeForbidden && code != codeUnknownCommand {
		return nil, err
	}
	if err := c.tryRemover(ctx, del); err != nil {
		return nil, err
	}
	return del, nil
}

func (c *connection) tryRemover(ctx context.Context, remove remover) error {
	for _, d := range c.databases {
		for _, pattern := range c.cache.keys.Delete {
			started := time.Now()
			if err := remove(ctx, d.client, nobodys(pattern)).Err(); err != nil {
				return c.cache.fail(fmt.Sprintf("delete keys like %s from database %d of", pattern, d.number), started, err)
			}
		}
	}
	return nil
}

// codeOf returns the code of a server's refusal, or nothing.
func codeOf(err error) string {
	var refused *refusalError
	if errors.As(err, &refused) {
		return refused.code
	}
	return refusalCode(err)
}
