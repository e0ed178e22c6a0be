package main

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	mysqldriver "github.com/go-sql-driver/mysql"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/openim-dr/openim-dr/internal/testbed/seed"
)

// servers are the testbed's, as the deployment to be lost uses them.
type servers struct {
	env         map[string]string
	environment []string
	db          *sql.DB
	s3          *s3.Client
	kubernetes  kubernetes.Interface
	schemas     []string
	bucket      string
	namespaces  []string
}

func connect(_ context.Context, envFile string) (*servers, error) {
	s := &servers{
		env: map[string]string{}, schemas: []string{"openIM_v3", "openim_enterprise"},
		bucket: "openim-demo", namespaces: seed.Namespaces(),
	}
	if err := s.readEnv(envFile); err != nil {
		return nil, err
	}
	my := mysqldriver.NewConfig()
	my.Net, my.Addr, my.User, my.Passwd = "tcp", s.env["MYSQL_ADDRESS"], s.env["MYSQL_USER"], s.env["MYSQL_PASSWORD"]
	connector, err := mysqldriver.NewConnector(my)
	if err != nil {
		return nil, err
	}
	s.db = sql.OpenDB(connector)
	s.s3 = s3.New(s3.Options{
		BaseEndpoint: aws.String(s.env["S3_ENDPOINT"]), Region: "us-east-1", UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(s.env["S3_ACCESS_KEY"], s.env["S3_SECRET_KEY"], ""),
		// Some SeaweedFS versions store a trailing checksum inside the object.
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	})
	restConfig, err := clientcmd.BuildConfigFromFlags("", s.env["KUBECONFIG"])
	if err != nil {
		return nil, err
	}
	s.kubernetes, err = kubernetes.NewForConfig(restConfig)
	return s, err
}

func (s *servers) readEnv(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("the testbed is not running (make testbed): %w", err)
	}
	defer file.Close() // read only
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), "="); ok {
			s.env[name] = value
			s.environment = append(s.environment, lines.Text())
		}
	}
	return nil
}

func (s *servers) close() { _ = s.db.Close() }

// stores are the servers as the seed generator wants them.
func (s *servers) stores() seed.Stores {
	return seed.Stores{
		DB: s.db, Schemas: seed.Schemas{Server: s.schemas[0], Chat: s.schemas[1]},
		S3: s.s3, Bucket: s.bucket, Kubernetes: s.kubernetes, Namespaces: s.namespaces,
	}
}

// destroy loses the whole deployment.
func (s *servers) destroy(ctx context.Context) error {
	for _, schema := range s.schemas {
		if _, err := s.db.ExecContext(ctx, "DROP SCHEMA IF EXISTS `"+schema+"`"); err != nil {
			return fmt.Errorf("drop schema %s: %w", schema, err)
		}
	}
	if err := s.destroyBucket(ctx); err != nil {
		return err
	}
	for _, ns := range s.namespaces {
		if err := s.destroyNamespace(ctx, ns); err != nil {
			return fmt.Errorf("empty namespace %s: %w", ns, err)
		}
	}
	return nil
}

func (s *servers) destroyBucket(ctx context.Context) error {
	pages := s3.NewListObjectsV2Paginator(s.s3, &s3.ListObjectsV2Input{Bucket: &s.bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		var none *types.NoSuchBucket
		if errors.As(err, &none) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("list bucket %s: %w", s.bucket, err)
		}
		for _, object := range page.Contents {
			if _, err := s.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: object.Key}); err != nil {
				return fmt.Errorf("delete object: %w", err)
			}
		}
	}
	if _, err := s.s3.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &s.bucket}); err != nil {
		return fmt.Errorf("delete bucket %s: %w", s.bucket, err)
	}
	return nil
}

func (s *servers) destroyNamespace(ctx context.Context, ns string) error {
	// The API server's own ConfigMap has no controller here that would make it
	// again, but a real cluster's has: leave it alone.
	const own = "metadata.name!=kube-root-ca.crt"
	now := metav1.DeleteOptions{}
	return errors.Join(
		s.kubernetes.CoreV1().Secrets(ns).DeleteCollection(ctx, now, metav1.ListOptions{}),
		s.kubernetes.CoreV1().ConfigMaps(ns).DeleteCollection(ctx, now, metav1.ListOptions{FieldSelector: own}),
	)
}

// waitForTime makes sure that a second point has another second in its id.
func waitForTime(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Second):
		return nil
	}
}
