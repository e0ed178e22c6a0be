package starter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const s3Bucket = "openim"

// masterConfig makes a new bucket take one volume rather than seven: tests make
// many buckets, and volumes are limited.
const masterConfig = "[master.volume_growth]\ncopy_1 = 1\n"

// busybox gives the image of SeaweedFS the shell and the df that the official
// one has. Debian has one that needs no library.
const busybox = "busybox"

// The master is a process of its own: within "weed server" it takes 18 s to find
// out that it is alone, with the other consensus library, which only "weed
// master" offers, half a second.
var (
	weedMasterPorts = []string{"weed.master", "weed.master.grpc"}
	weedServerPorts = []string{
		"weed.volume", "weed.volume.grpc", "weed.filer", "weed.filer.grpc", "weed.s3", "weed.s3.grpc",
	}
)

func (tb *Testbed) seaweedfs() part {
	return part{
		name:    "seaweedfs",
		check:   tb.checkSeaweedFS,
		prepare: tb.prepareSeaweedFS,
		start:   tb.startSeaweedFS,
	}
}

// prepareSeaweedFS builds the server and makes an image of it for scratch servers.
func (tb *Testbed) prepareSeaweedFS(ctx context.Context) error {
	path, err := tb.binary(ctx, weedServer)
	if err != nil {
		return err
	}
	if _, err := tb.seaweedfsImage(ctx); !errors.Is(err, errNoImage) {
		return err
	}
	version, err := exec.CommandContext(ctx, path, "version").Output()
	if err != nil {
		return fmt.Errorf("ask %s for its version: %w", path, err)
	}
	fields := strings.Fields(string(version)) // version 30GB 3.39 linux amd64
	if len(fields) < 3 {
		return fmt.Errorf("ask %s for its version: got %q", path, version)
	}
	return tb.importWeed(ctx, path, fields[2])
}

func (tb *Testbed) importWeed(ctx context.Context, path, version string) error {
	tree, err := os.MkdirTemp("", "openim-dr-weed-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tree)
	for _, dir := range []string{"usr/bin", "data", "tmp", "etc/seaweedfs"} {
		if err := os.MkdirAll(filepath.Join(tree, dir), 0o755); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(tree, "etc/seaweedfs/master.toml"), []byte(masterConfig), 0o644); err != nil {
		return err
	}
	shell, err := exec.LookPath(busybox)
	if err != nil {
		return err
	}
	if err := installBusybox(shell, tree); err != nil {
		return err
	}
	recipe := tb.weedImageRecipe(path)
	return tb.importImage(ctx, image{
		name:   fmt.Sprintf("openim-dr-testbed/seaweedfs:%s-%s", version, recipe),
		recipe: recipe,
		tree: exec.CommandContext(ctx, "tar", "-C", tree, "-c", "--mode=0755", "--owner=0", "--group=0", ".",
			"--absolute-names", "--transform", "s,^"+path+"$,./usr/bin/weed,", path),
		changes: []string{`ENTRYPOINT ["/usr/bin/weed"]`, "VOLUME /data", "WORKDIR /data", "EXPOSE 8333"},
	})
}

// installBusybox copies busybox into a tree, with the names of what scratch
// servers are asked for.
func installBusybox(path, tree string) error {
	program, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	bin := filepath.Join(tree, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(bin, busybox), program, 0o755); err != nil {
		return err
	}
	for _, name := range applets {
		if err := os.Symlink(busybox, filepath.Join(bin, name)); err != nil {
			return err
		}
	}
	return nil
}

var applets = []string{"cat", "df", "du", "grep", "mkdir", "rm", "sh", "wget"}

func (tb *Testbed) weedImageRecipe(path string) string {
	return recipe("weed image", filepath.Base(path), masterConfig, busybox, strings.Join(applets, " "))
}

func (tb *Testbed) seaweedfsImage(ctx context.Context) (string, error) {
	path, err := tb.binary(ctx, weedServer)
	if err != nil {
		return "", err
	}
	return imageOf(ctx, tb.weedImageRecipe(path))
}

func (tb *Testbed) startSeaweedFS(ctx context.Context) error {
	path, err := tb.binary(ctx, weedServer)
	if err != nil {
		return err
	}
	master, server := tb.data("seaweedfs-master"), tb.data("seaweedfs")
	for _, dir := range []string{master, server} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(master, "master.toml"), []byte(masterConfig), 0o644); err != nil {
		return err
	}
	if err := tb.writeS3Identities(filepath.Join(server, "s3.json")); err != nil {
		return err
	}
	err = tb.serve(ctx, service{
		ports:   weedMasterPorts,
		command: func() process { return tb.weedMaster(path, master) },
		ready: func(ctx context.Context) error {
			url := "http://" + tb.address("weed.master") + "/cluster/healthz"
			return ask(ctx, http.DefaultClient, http.MethodGet, url, "", http.StatusOK)
		},
	})
	if err != nil {
		return err
	}
	return tb.serve(ctx, service{
		ports:   weedServerPorts,
		command: func() process { return tb.weedServer(path, server) },
		ready:   tb.readyS3,
	})
}

func (tb *Testbed) weedMaster(path, dir string) process {
	return process{
		name: "seaweedfs-master", path: path, dir: dir, log: tb.log("seaweedfs-master"),
		args: []string{
			"-logtostderr=true", "master", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-mdir=" + dir,
			fmt.Sprintf("-port=%d", tb.port("weed.master")), fmt.Sprintf("-port.grpc=%d", tb.port("weed.master.grpc")),
			"-raftHashicorp", "-electionTimeout=1s", "-volumeSizeLimitMB=1024",
		},
	}
}

// s3Domain has SeaweedFS take bucket.domain for the bucket, too.
const s3Domain = "s3.openim.test"

func (tb *Testbed) weedServer(path, dir string) process {
	args := []string{
		"-logtostderr=true", "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-dir=" + dir,
		"-master=false", fmt.Sprintf("-master.peers=%s.%d", tb.address("weed.master"), tb.port("weed.master.grpc")),
		"-volume.max=400", "-filer", "-s3", "-s3.config=" + filepath.Join(dir, "s3.json"), "-s3.domainName=" + s3Domain,
	}
	for _, purpose := range weedServerPorts {
		component, grpc := strings.CutSuffix(strings.TrimPrefix(purpose, "weed."), ".grpc")
		flag := "-" + component + ".port"
		if grpc {
			flag += ".grpc"
		}
		args = append(args, fmt.Sprintf("%s=%d", flag, tb.port(purpose)))
	}
	return process{name: "seaweedfs", path: path, args: args, dir: dir, log: tb.log("seaweedfs")}
}

// writeS3Identities writes the keys that the server accepts.
func (tb *Testbed) writeS3Identities(path string) error {
	type credential struct {
		AccessKey string `json:"accessKey"`
		SecretKey string `json:"secretKey"`
	}
	type identity struct {
		Name        string       `json:"name"`
		Credentials []credential `json:"credentials"`
		Actions     []string     `json:"actions"`
	}
	data, err := json.Marshal(map[string][]identity{"identities": {{
		Name:        "testbed",
		Credentials: []credential{{tb.state.S3AccessKey, tb.state.S3SecretKey}},
		Actions:     []string{"Admin", "Read", "Write", "List", "Tagging"},
	}}})
	if err != nil {
		return err
	}
	return writeFile(path, data)
}

func (tb *Testbed) s3Endpoint() string {
	return "http://" + tb.address("weed.s3")
}

func (tb *Testbed) s3Client(endpoint string) *s3.Client {
	return s3.New(s3.Options{
		Region:                     "us-east-1",
		BaseEndpoint:               aws.String(endpoint),
		UsePathStyle:               true,
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: tb.state.S3AccessKey, SecretAccessKey: tb.state.S3SecretKey}, nil
		}),
	})
}

func (tb *Testbed) checkSeaweedFS(ctx context.Context) error {
	if _, err := tb.seaweedfsImage(ctx); err != nil {
		return err
	}
	return tb.checkS3(ctx)
}

func (tb *Testbed) checkS3(ctx context.Context) error {
	_, err := tb.s3Client(tb.s3Endpoint()).HeadBucket(ctx, &s3.HeadBucketInput{Bucket: aws.String(s3Bucket)})
	return err
}

// readyS3 makes the bucket and sees that an object can be written: the gateway
// answers before the volume server has joined.
func (tb *Testbed) readyS3(ctx context.Context) error {
	client, probe := tb.s3Client(tb.s3Endpoint()), aws.String(".testbed-probe")
	_, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(s3Bucket)})
	var owned *types.BucketAlreadyOwnedByYou
	var exists *types.BucketAlreadyExists
	if err != nil && !errors.As(err, &owned) && !errors.As(err, &exists) {
		return err
	}
	if _, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(s3Bucket), Key: probe, Body: strings.NewReader("probe")}); err != nil {
		return err
	}
	_, err = client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(s3Bucket), Key: probe})
	return err
}
