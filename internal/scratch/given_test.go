package scratch

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/openim-dr/openim-dr/internal/bucket"
	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/mysql"
	"github.com/openim-dr/openim-dr/internal/secret"
	"github.com/openim-dr/openim-dr/internal/testbed"
	"github.com/openim-dr/openim-dr/internal/testbed/network"
)

func hold(t *testing.T, value string) secret.Ref {
	t.Helper()
	ref, release := secret.Hold(value)
	t.Cleanup(release)
	return ref
}

func mysqlPeer(t *testing.T, name, address, user string, password secret.Ref) Peer {
	t.Helper()
	s, err := mysql.New(name, &mysql.Settings{Address: address, User: user, Password: password, Schemas: []string{"none"}}, mysql.Options{ConnectTimeout: 3 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return Peer{name, s}
}

func bucketPeer(t *testing.T, name, endpoint string, access, key secret.Ref) Peer {
	t.Helper()
	s, err := bucket.New(name, &bucket.Settings{Endpoint: endpoint, AccessKey: access, SecretKey: key, Buckets: []string{"none"}}, bucket.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return Peer{name, s}
}

// TestRequireScratch gives two empty servers to a drill, beside the testbed's as
// the sources, and then some that it must not have.
func TestRequireScratch(t *testing.T) {
	t.Parallel()
	env := testbed.Need(t)
	database, store := startBoth(t, newDrill(t, nil))
	given := []Peer{
		mysqlPeer(t, "target scratch/main", database.Address, database.User, database.Password),
		bucketPeer(t, "target scratch/media", store.Endpoint, store.AccessKey, store.SecretKey),
	}
	password, access, key := hold(t, env.MySQLPassword), hold(t, env.S3AccessKey), hold(t, env.S3SecretKey)
	main := mysqlPeer(t, "source main", env.MySQLAddress, env.MySQLUser, password)
	media := bucketPeer(t, "source media", env.S3Endpoint, access, key)
	env.NewBucket(t)
	silent := mysqlPeer(t, "source silent", "127.0.0.1:1", "root", password)
	unknown := mysqlPeer(t, "source unknown", env.MySQLAddress, "nobody", hold(t, "wrong"))
	relayed := mysqlPeer(t, "target scratch/main", network.New(t, env.MySQLAddress, "downstream", network.None, 0).Address(), env.MySQLUser, password)
	relayedStore := bucketPeer(t, "target scratch/media", "http://"+network.New(t, strings.TrimPrefix(env.S3Endpoint, "http://"), "downstream", network.None, 0).Address(), access, key)

	t.Run("empty servers of its own", func(t *testing.T) {
		unanswered, err := RequireScratch(t.Context(), given, []Peer{main, media, silent})
		if err != nil || !slices.Equal(unanswered, []string{"source silent"}) {
			t.Errorf("got %q, %v", unanswered, err)
		}
	})
	refused := map[string]struct {
		given  Peer
		others []Peer
		why    string
	}{
		"the source itself":                     {main, []Peer{media, main}, "it is the same server as source main: both are address"},
		"the source behind another address":     {relayed, []Peer{main}, "it is the same server as source main: both are server_uuid"},
		"the source that lets nobody in":        {main, []Peer{unknown}, "it is the same server as source unknown: both are address"},
		"the buckets behind another address":    {relayedStore, []Peer{media}, "it is the same server as source media: both are bucket"},
		"another server that is not empty":      {main, nil, "it is not empty: mysql/"},
		"another store that is not empty":       {media, nil, "it is not empty: bucket/"},
		"one that holds what is not configured": {given[0], []Peer{main}, "it is not empty: mysql/" + database.Address + "/stray holds a schema of 0 tables"},
	}
	if _, err := open(t, database).ExecContext(t.Context(), "CREATE DATABASE stray"); err != nil {
		t.Fatal(err)
	}
	env.NewSchema(t)
	putAnything(t, env)
	for name, tt := range refused {
		t.Run(name, func(t *testing.T) {
			_, err := RequireScratch(t.Context(), []Peer{tt.given}, tt.others)
			requireFault(t, err, fault.Refused, tt.why, "no flag overrules this")
		})
	}
	t.Run("one that does not answer", func(t *testing.T) {
		_, err := RequireScratch(t.Context(), []Peer{silent}, []Peer{main})
		requireFault(t, err, fault.Failed, "find out which server is given to the drill", "")
	})
}

// putAnything makes the testbed's store hold something.
func putAnything(t *testing.T, env *testbed.Env) {
	t.Helper()
	api := s3.New(s3.Options{
		BaseEndpoint: aws.String(env.S3Endpoint), Region: region, UsePathStyle: true,
		Credentials:                credentials.NewStaticCredentialsProvider(env.S3AccessKey, env.S3SecretKey, ""),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
	})
	name := aws.String(env.NewBucket(t))
	if _, err := api.PutObject(t.Context(), &s3.PutObjectInput{Bucket: name, Key: name, Body: strings.NewReader("x")}); err != nil {
		t.Fatal(err)
	}
}
