package main

import (
	"bytes"
	"context"
	"crypto/md5" // by which OpenIM names objects
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	mysqldriver "github.com/go-sql-driver/mysql"
)

const (
	schema = "openIM_v3"
	bucket = "openim"
)

// stores are where OpenIM keeps what it is given.
type stores struct {
	db      *sql.DB
	objects *s3.Client
	journal string // directory
}

func openStores(environment func(string) string) (*stores, error) {
	config := mysqldriver.NewConfig()
	config.Net, config.Addr = "tcp", environment("MYSQL_ADDRESS")
	config.User, config.Passwd = "root", environment("MYSQL_PASSWORD")
	config.Logger = &mysqldriver.NopLogger{} // a server that starts refuses connections for a while
	connector, err := mysqldriver.NewConnector(config)
	if err != nil {
		return nil, err
	}
	return &stores{
		db: sql.OpenDB(connector),
		objects: s3.New(s3.Options{
			Region: "us-east-1", BaseEndpoint: aws.String(environment("S3_ENDPOINT")), UsePathStyle: true,
			// SeaweedFS 3.39 stores the trailer of a checksummed upload as content.
			RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
			ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
			Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: environment("S3_ACCESS_KEY"), SecretAccessKey: environment("S3_SECRET_KEY")}, nil
			}),
		}),
		journal: environment("JOURNAL"),
	}, nil
}

func (s *stores) close() { s.db.Close() }

// tables are as OpenIM makes them when it starts, so far as they are written here.
var tables = []string{
	"CREATE DATABASE IF NOT EXISTS " + schema + " DEFAULT CHARACTER SET utf8mb4",
	"CREATE TABLE IF NOT EXISTS " + schema + `.chat_logs (
		server_msg_id char(64) NOT NULL PRIMARY KEY, send_id char(64), recv_id char(64),
		content varchar(3000), send_time datetime(3), KEY (send_time))`,
	"CREATE TABLE IF NOT EXISTS " + schema + `.object (
		name varchar(191) NOT NULL PRIMARY KEY, user_id longtext, hash longtext,
		` + "`key`" + ` longtext, size bigint, content_type longtext, cause longtext, create_time datetime(3))`,
}

// migrate makes what is not there.
func (s *stores) migrate(ctx context.Context) error {
	for _, statement := range tables {
		if _, err := s.db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	_, err := s.objects.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(bucket)})
	var owned *types.BucketAlreadyOwnedByYou
	var exists *types.BucketAlreadyExists
	if errors.As(err, &owned) || errors.As(err, &exists) {
		return nil
	}
	return err
}

// send writes a message and returns its id.
func (s *stores) send(ctx context.Context) (entry, error) {
	e := entry{Kind: "row", ID: rand.Text(), Content: rand.Text() + " 你好 🙂"}
	_, err := s.db.ExecContext(ctx, "INSERT INTO "+schema+".chat_logs VALUES (?, 'alice', 'bob', ?, NOW(3))", e.ID, e.Content)
	return e, err
}

// message returns what a message says.
func (s *stores) message(ctx context.Context, id string) (content string, err error) {
	err = s.db.QueryRowContext(ctx, "SELECT content FROM "+schema+".chat_logs WHERE server_msg_id = ?", id).Scan(&content)
	return content, err
}

// put writes an object and then its row, in OpenIM's order, and returns its name.
func (s *stores) put(ctx context.Context, size int) (entry, error) {
	content := make([]byte, size)
	_, _ = rand.Read(content) // never fails
	hash := hashOf(content)
	key := "openim/data/hash/" + hash
	_, err := s.objects.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String(key), Body: bytes.NewReader(content)})
	if err != nil {
		return entry{}, err
	}
	e := entry{Kind: "object", ID: "alice/msg_picture_" + rand.Text() + ".jpg", Content: hash}
	_, err = s.db.ExecContext(ctx, "INSERT INTO "+schema+".object VALUES (?, 'alice', ?, ?, ?, 'image/jpeg', '', NOW(3))", e.ID, hash, key, size)
	return e, err
}

// picture returns the hash of what an object holds.
func (s *stores) picture(ctx context.Context, name string) (hash string, err error) {
	var key string
	if err := s.db.QueryRowContext(ctx, "SELECT `key` FROM "+schema+".object WHERE name = ?", name).Scan(&key); err != nil {
		return "", err
	}
	answer, err := s.objects.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String(key)})
	if err != nil {
		return "", fmt.Errorf("read object %s: %w", key, err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	return hashOf(content), err
}

// hashOf is OpenIM's name of an object of one part: the MD5 of its parts' MD5.
func hashOf(content []byte) string {
	part := md5.Sum(content)
	all := md5.Sum([]byte(hex.EncodeToString(part[:])))
	return hex.EncodeToString(all[:])
}
