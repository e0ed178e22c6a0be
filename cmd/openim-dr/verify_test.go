package main

import (
	"log/slog"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/scratch"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// A drill restores into servers that are given, and leaves them as empty as they
// were; servers that hold anything, and those that are sources, are refused.
func TestDrillIntoGivenServers(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	docker, err := scratch.New(t.Context(), scratch.Options{
		Drill: repository.NewDrillID(time.Now()), Deadline: time.Now().Add(time.Hour),
		MySQLImage: env.MySQLImage, SeaweedFSImage: env.SeaweedFSImage, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := docker.Close(t.Context()); err != nil { // it takes an ended context
			t.Error(err)
		}
	})
	database, err := docker.MySQL(t.Context(), "main")
	if err != nil {
		t.Fatal(err)
	}
	files, err := docker.S3(t.Context(), "media")
	if err != nil {
		t.Fatal(err)
	}
	resolve := func(ref interface{ Resolve() (string, error) }) string {
		value, err := ref.Resolve()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
	for _, file := range scripts(t, "given") {
		schema, bucket := env.NewSchema(t), env.NewBucket(t)
		runScript(t, file, map[string]string{
			"MYSQL_ADDRESS": env.MySQLAddress, "MYSQL_USER": env.MySQLUser, "MYSQL_PASSWORD": env.MySQLPassword,
			"S3_ENDPOINT": env.S3Endpoint, "S3_ACCESS_KEY": env.S3AccessKey, "S3_SECRET_KEY": env.S3SecretKey,
			"SCHEMA": schema, "BUCKET": bucket, "NAMESPACE": bucket, "KUBECONFIG": env.Kubeconfig,
			"GIVEN_ADDRESS": database.Address, "GIVEN_PASSWORD": resolve(database.Password),
			"GIVEN_ENDPOINT": files.Endpoint, "GIVEN_ACCESS_KEY": resolve(files.AccessKey), "GIVEN_SECRET_KEY": resolve(files.SecretKey),
		}, commands{
			"sql":    func(ts *testscript.TestScript, _ bool, args []string) { runSQL(ts, t, env, args) },
			"put":    func(ts *testscript.TestScript, _ bool, args []string) { putObject(ts, t, env, args) },
			"secret": func(ts *testscript.TestScript, neg bool, args []string) { secretObject(ts, t, env, neg, args) },
		})
	}
}
