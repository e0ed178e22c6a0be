package starter

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/openim-dr/openim-dr/internal/fault"
)

// Label is the Docker label that names the testbed a container belongs to.
const Label = "openim-dr-testbed"

// Testbed is the set of servers of one checkout.
type Testbed struct {
	root    string // the checkout
	dir     string // its .testbed
	id      string
	cache   *cache
	console *console

	mu    sync.Mutex
	state state
}

// state is what a testbed keeps between runs of the starter. What runs is not
// part of it: that is looked up.
type state struct {
	Ports         map[string]int
	MySQLPassword string
	S3AccessKey   string
	S3SecretKey   string
	KubeToken     string
	RedisPassword string
	NodeNetwork   netip.Prefix // of the Kubernetes node and the host
}

// part is one server of the testbed.
type part struct {
	name string
	// check says why the part cannot be used, or nothing where it can.
	check func(ctx context.Context) error
	// prepare makes what the part runs. Parts without one are ready to start.
	prepare func(ctx context.Context) error
	// start starts what is dead of the part and returns when it can be used.
	start func(ctx context.Context) error
}

// Open finds the testbed of a checkout, whether it runs or not.
func Open(root string, out io.Writer) (*Testbed, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	if resolved, err := filepath.EvalSymlinks(root); err == nil {
		root = resolved
	}
	cache, err := openCache()
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(root))
	return &Testbed{
		root:    root,
		dir:     filepath.Join(root, ".testbed"),
		id:      hex.EncodeToString(sum[:5]),
		cache:   cache,
		console: &console{out: out},
	}, nil
}

func (tb *Testbed) parts() []part {
	return []part{tb.mysql(), tb.seaweedfs(), tb.versitygw(), tb.gcs(), tb.kubernetes(), tb.helm(), tb.redis(), tb.tools(), tb.browser()}
}

// Running says whether the whole testbed can be used.
func (tb *Testbed) Running(ctx context.Context) bool {
	return tb.load() == nil && len(tb.broken(ctx)) == 0
}

// Up starts what is not running and returns when all of the testbed can be used.
// Where it can already, nothing is changed.
func (tb *Testbed) Up(ctx context.Context) error {
	begin := time.Now()
	unlock, err := tb.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := tb.load(); err != nil {
		return err
	}
	broken := tb.broken(ctx)
	if len(broken) == 0 {
		tb.console.printf("is up; addresses and credentials are in %s", tb.envPath())
		return nil
	}
	// Nobody finds the addresses of a testbed that is only half there.
	if err := remove(tb.envPath()); err != nil {
		return err
	}
	if err := tb.prepareHost(ctx); err != nil {
		return err
	}
	if err := tb.bringUp(ctx, broken); err != nil {
		return err
	}
	if err := tb.save(); err != nil {
		return err
	}
	if err := tb.writeEnv(ctx); err != nil {
		return err
	}
	tb.console.printf("is up after %s; addresses and credentials are in %s", time.Since(begin).Round(100*time.Millisecond), tb.envPath())
	return nil
}

// broken returns the parts that cannot be used; all of them where nobody could
// find their addresses.
func (tb *Testbed) broken(ctx context.Context) []part {
	parts := tb.parts()
	if _, err := os.Stat(tb.envPath()); err != nil {
		return parts
	}
	ctx, cancel := context.WithTimeout(ctx, 1500*time.Millisecond)
	defer cancel()
	failed := make([]error, len(parts))
	var group errgroup.Group
	for i, p := range parts {
		group.Go(func() error {
			failed[i] = p.check(ctx)
			return nil
		})
	}
	_ = group.Wait() // the checks' errors are in failed
	var broken []part
	for i, p := range parts {
		if failed[i] != nil {
			tb.console.printf("%s is not there: %v", p.name, failed[i])
			broken = append(broken, p)
		}
	}
	return broken
}

// bringUp prepares and starts parts, all at the same time.
func (tb *Testbed) bringUp(ctx context.Context, parts []part) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, p := range parts {
		group.Go(func() error {
			if err := p.prepare(ctx); err != nil {
				return err
			}
			begin := time.Now()
			if err := p.start(ctx); err != nil {
				return tb.describeStart(p, err)
			}
			tb.console.printf("%s: up in %s", p.name, time.Since(begin).Round(100*time.Millisecond))
			return nil
		})
	}
	return group.Wait()
}

func (tb *Testbed) describeStart(p part, err error) error {
	return &fault.Error{
		Doing: "start " + p.name,
		Err:   err,
		Try:   fmt.Sprintf("read %s, then `make testbed-down testbed` starts afresh", tb.log(p.name)),
	}
}

// Down stops whatever of the checkout's testbed runs, containers of tests that
// were killed included, and removes its data. Its logs stay.
func (tb *Testbed) Down(ctx context.Context) error {
	unlock, err := tb.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := remove(tb.envPath()); err != nil {
		return err
	}
	err = errors.Join(tb.stop(ctx, ""), tb.removeContainers(ctx))
	if err != nil {
		return err
	}
	for _, name := range []string{"state.json", "data", "kubernetes"} {
		if err := os.RemoveAll(filepath.Join(tb.dir, name)); err != nil {
			return err
		}
	}
	tb.console.printf("is down")
	return nil
}

// Env returns the addresses and credentials as NAME=value lines.
func (tb *Testbed) Env() (string, error) {
	data, err := os.ReadFile(tb.envPath())
	if errors.Is(err, fs.ErrNotExist) {
		return "", &fault.Error{Doing: "read the testbed's addresses", Why: "it is not running", Try: "make testbed"}
	}
	return string(data), err
}

func (tb *Testbed) lock(ctx context.Context) (unlock func(), err error) {
	return lockFile(ctx, filepath.Join(tb.dir, "lock"))
}

func (tb *Testbed) envPath() string         { return filepath.Join(tb.dir, "env") }
func (tb *Testbed) log(name string) string  { return filepath.Join(tb.dir, "logs", name+".log") }
func (tb *Testbed) data(name string) string { return filepath.Join(tb.dir, "data", name) }

// load reads the state, or makes the secrets of a new testbed. It is saved
// before anything is started by it.
func (tb *Testbed) load() error {
	for _, dir := range []string{"logs", "data"} {
		if err := os.MkdirAll(filepath.Join(tb.dir, dir), 0o755); err != nil {
			return err
		}
	}
	data, err := os.ReadFile(filepath.Join(tb.dir, "state.json"))
	if err == nil {
		err = json.Unmarshal(data, &tb.state)
		if err != nil || tb.state.RedisPassword != "" {
			return err
		}
		tb.state.RedisPassword = rand.Text() // what was started before there was a Redis
		return tb.save()
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	tb.state = state{
		MySQLPassword: rand.Text(),
		S3AccessKey:   rand.Text(),
		S3SecretKey:   rand.Text(),
		KubeToken:     rand.Text(),
		RedisPassword: rand.Text(),
	}
	return tb.save()
}

func (tb *Testbed) save() error {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	data, err := json.MarshalIndent(tb.state, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(tb.dir, "state.json"), data)
}

// writeEnv says where everything is. Tests read nothing else.
func (tb *Testbed) writeEnv(ctx context.Context) error {
	mysqlImage, err := tb.mysqlImage(ctx)
	if err != nil {
		return err
	}
	weedImage, err := tb.seaweedfsImage(ctx)
	if err != nil {
		return err
	}
	toolsImage, err := tb.toolsImage(ctx)
	if err != nil {
		return err
	}
	chromium, err := browserPath()
	if err != nil {
		return err
	}
	lines := []string{
		"MYSQL_ADDRESS=" + tb.address("mysql"),
		"MYSQL_USER=root",
		"MYSQL_PASSWORD=" + tb.state.MySQLPassword,
		"MYSQL_IMAGE=" + mysqlImage,
		"MYSQL_CONTAINER=" + tb.mysqlContainer(),
		"S3_ENDPOINT=" + tb.s3Endpoint(),
		"S3_DOMAIN=" + s3Domain,
		"S3_ACCESS_KEY=" + tb.state.S3AccessKey,
		"S3_SECRET_KEY=" + tb.state.S3SecretKey,
		"S3_BUCKET=" + s3Bucket,
		"SEAWEEDFS_IMAGE=" + weedImage,
		"VERSITYGW_ENDPOINT=" + tb.versitygwEndpoint(),
		"STORAGE_EMULATOR_HOST=" + tb.gcsEndpoint(),
		"GCS_BUCKET=" + gcsBucket,
		"GCS_SERVER=" + tb.gcsProgram(),
		"KUBECONFIG=" + tb.kubeconfig(),
		"HELM=" + tb.helmProgram(),
		"REDIS_ADDRESS=" + tb.address("redis"),
		"REDIS_PASSWORD=" + tb.state.RedisPassword,
		"REDIS_SERVER=" + tb.redisServer(),
		"TOOLS_IMAGE=" + toolsImage,
		"CHROMIUM=" + chromium,
		"TESTBED_LABEL=" + Label + "=" + tb.id,
	}
	return writeFile(tb.envPath(), []byte(strings.Join(lines, "\n")+"\n"))
}

// writeFile replaces a file that may hold secrets, at once.
func writeFile(path string, data []byte) error {
	unfinished := path + ".unfinished"
	if err := os.WriteFile(unfinished, data, 0o600); err != nil {
		return err
	}
	return os.Rename(unfinished, path)
}

func remove(path string) error {
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
