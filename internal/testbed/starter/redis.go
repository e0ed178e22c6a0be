package starter

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
)

// redis keeps what OpenIM keeps in Redis or Dragonfly: caches, sequence numbers,
// tokens. It forgets them when it ends.
func (tb *Testbed) redis() part {
	return part{
		name:    "redis",
		check:   tb.checkRedis,
		prepare: func(context.Context) error { return tb.linkRedis() },
		start:   tb.startRedis,
	}
}

// redisProgram is the server, by the name of another of its uses: which is
// meant it knows by its name. Debian has it in redis-tools so. The package
// redis-server adds the right name, and a service that would run on the host from
// then on.
const redisProgram = "redis-check-rdb"

func (tb *Testbed) redisServer() string { return filepath.Join(tb.data("redis"), "redis-server") }

// linkRedis gives the server its right name.
func (tb *Testbed) linkRedis() error {
	path, err := exec.LookPath(redisProgram)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(tb.data("redis"), 0o755); err != nil {
		return err
	}
	if err := os.Symlink(path, tb.redisServer()); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

func (tb *Testbed) startRedis(ctx context.Context) error {
	// The password stands in a file: an argument could be read by the whole host.
	// A title of its own would overwrite the mark that the process is found by.
	config := filepath.Join(tb.data("redis"), "redis.conf")
	if err := writeFile(config, []byte("requirepass "+tb.state.RedisPassword+"\nsave \"\"\nset-proc-title no\n")); err != nil {
		return err
	}
	return tb.serve(ctx, service{
		ports: []string{"redis"},
		command: func() process {
			return process{
				name: "redis", path: tb.redisServer(), dir: tb.data("redis"), log: tb.log("redis"),
				args: []string{config, "--bind", "127.0.0.1", "--port", fmt.Sprint(tb.port("redis"))},
			}
		},
		ready: tb.checkRedis,
	})
}

func (tb *Testbed) checkRedis(ctx context.Context) error {
	logging.Disable() // a server that is not ready yet is no news
	client := goredis.NewClient(&goredis.Options{Addr: tb.address("redis"), Password: tb.state.RedisPassword})
	defer client.Close()
	return client.Ping(ctx).Err()
}
