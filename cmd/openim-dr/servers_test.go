package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	"github.com/rogpeppe/go-internal/testscript"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/openim-dr/openim-dr/internal/testbed"
)

// TestServerScripts runs what a user could type against the real servers.
// Every script has a schema, a bucket of each S3 service and a prefix of its own.
func TestServerScripts(t *testing.T) {
	env := testbed.Need(t)
	for _, file := range scripts(t, "servers") {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			database, bucket := env.NewSchema(t), env.NewBucket(t)
			gateway := testbed.NewBucketAt(t, env.S3At(t, env.VersitygwEndpoint))
			runScript(t, file, map[string]string{
				"MYSQL_ADDRESS": env.MySQLAddress, "MYSQL_USER": env.MySQLUser, "MYSQL_PASSWORD": env.MySQLPassword,
				"S3_ENDPOINT": env.S3Endpoint, "S3_ACCESS_KEY": env.S3AccessKey, "S3_SECRET_KEY": env.S3SecretKey,
				"S3_ADDRESS":         strings.TrimPrefix(env.S3Endpoint, "http://"),
				"VERSITYGW_ENDPOINT": env.VersitygwEndpoint, "GATEWAY_BUCKET": gateway,
				"STORAGE_EMULATOR_HOST": env.StorageEmulatorHost, "GCS_BUCKET": env.GCSBucket,
				"SCHEMA": database, "BUCKET": bucket, "NAMESPACE": bucket, "KUBECONFIG": env.Kubeconfig, "HELM": env.Helm,
				"MYSQL_IMAGE": env.MySQLImage, "SEAWEEDFS_IMAGE": env.SeaweedFSImage,
				"REDIS_ADDRESS": env.RedisAddress, "REDIS_PASSWORD": env.RedisPassword,
			}, commands{
				"workload": func(ts *testscript.TestScript, _ bool, args []string) { makeDeployment(ts, t, env, args) },
				"sql":      func(ts *testscript.TestScript, _ bool, args []string) { runSQL(ts, t, env, args) },
				"put":      func(ts *testscript.TestScript, _ bool, args []string) { putObject(ts, t, env, args) },
				"secret":   func(ts *testscript.TestScript, neg bool, args []string) { secretObject(ts, t, env, neg, args) },
				"get":      func(ts *testscript.TestScript, neg bool, args []string) { getObject(ts, t, env, neg, args) },
				"storage":  storageCommand(t, env),
				"guarded":  func(ts *testscript.TestScript, _ bool, args []string) { guardedBucket(ts, t, env, args) },
			})
		})
	}
}

// runSQL runs statements as root:
//
//	sql 'CREATE TABLE x.y (id int)' 'INSERT INTO x.y VALUES (1)'
//
// and prints the one value that the last one returns, if any.
func runSQL(ts *testscript.TestScript, t *testing.T, env *testbed.Env, statements []string) {
	db := env.OpenMySQL(t)
	for _, statement := range statements {
		for _, value := range oneColumn(t, db, statement) {
			_, err := io.WriteString(ts.Stdout(), value+"\n")
			ts.Check(err)
		}
	}
}

// secretObject makes a Secret and its namespace, or with a leading ! deletes
// the Secret:
//
//	secret NAMESPACE NAME KEY VALUE
//	! secret NAMESPACE NAME
func secretObject(ts *testscript.TestScript, t *testing.T, env *testbed.Env, neg bool, args []string) {
	config, err := clientcmd.BuildConfigFromFlags("", env.Kubeconfig)
	ts.Check(err)
	client, err := dynamic.NewForConfig(config)
	ts.Check(err)
	secrets := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "secrets"}).Namespace(args[0])
	if neg {
		ts.Check(secrets.Delete(t.Context(), args[1], metav1.DeleteOptions{}))
		return
	}
	namespaces := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"})
	_, err = namespaces.Create(t.Context(), object("Namespace", args[0]), metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		ts.Check(err)
	}
	made := object("Secret", args[1])
	made.Object["stringData"] = map[string]any{args[2]: args[3]}
	_, err = secrets.Create(t.Context(), made, metav1.CreateOptions{})
	ts.Check(err)
}

// storageCommand plays the storage of a namespace that is there: it makes claims that
// are labelled app=seaweedfs, and sets SNAPSHOT_CLASS; with a leading ! it loses them:
//
//	storage NAMESPACE CLAIM...
//	! storage NAMESPACE CLAIM...
func storageCommand(t *testing.T, env *testbed.Env) func(*testscript.TestScript, bool, []string) {
	var storage *testbed.Storage
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if storage == nil {
			storage = env.NewStorage(t, args[0])
			ts.Setenv("SNAPSHOT_CLASS", storage.Class(t, snapshotv1.VolumeSnapshotContentRetain))
		}
		for _, claim := range args[1:] {
			if neg {
				storage.RemoveClaim(t, args[0], claim)
			} else {
				storage.Claim(t, args[0], claim, map[string]string{"app": "seaweedfs"})
			}
		}
	}
}

// makeDeployment makes a Deployment in a namespace that is there:
//
//	workload NAMESPACE NAME REPLICAS
func makeDeployment(ts *testscript.TestScript, t *testing.T, env *testbed.Env, args []string) {
	replicas, err := strconv.ParseInt(args[2], 10, 32)
	ts.Check(err)
	env.NewWorkloads(t, args[0]).Deployment(t, args[1], int32(replicas))
	t.Cleanup(func() {
		if err := testbed.RemoveWorkloads(context.WithoutCancel(t.Context()), env.Kubernetes(t), args[0]); err != nil {
			t.Error(err)
		}
	})
}

func object(kind, name string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": kind, "metadata": map[string]any{"name": name},
	}}
}

// putObject uploads a file: put BUCKET KEY FILE.
func putObject(ts *testscript.TestScript, t *testing.T, env *testbed.Env, args []string) {
	file, err := os.Open(ts.MkAbs(args[2]))
	ts.Check(err)
	defer file.Close()
	_, err = env.S3(t).PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: aws.String(args[0]), Key: aws.String(args[1]), Body: file, ContentType: aws.String("text/plain"),
	})
	ts.Check(err)
}

// getObject downloads an object into a file: get BUCKET KEY FILE. With a
// leading ! there must be none.
func getObject(ts *testscript.TestScript, t *testing.T, env *testbed.Env, neg bool, args []string) {
	object, err := env.S3(t).GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(args[0]), Key: aws.String(args[1])})
	if neg {
		if err == nil {
			ts.Fatalf("%s holds %s", args[0], args[1])
		}
		return
	}
	ts.Check(err)
	defer object.Body.Close()
	data, err := io.ReadAll(object.Body)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), data, 0o600))
}
