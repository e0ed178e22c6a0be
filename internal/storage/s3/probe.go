package s3

import (
	"bytes"
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/openim-dr/openim-dr/internal/storage"
)

// CreatesExclusively tries whether the service really creates only what is
// absent: different content under one name, one after the other and two at once.
// It uses two names below name, and deletes what it has made where it may.
func (s *Store) CreatesExclusively(ctx context.Context, name string) (bool, error) {
	after, err := s.tryInTurn(ctx, name+"/turn")
	if err != nil || !after {
		return false, err
	}
	return s.tryAtOnce(ctx, name+"/race")
}

func (s *Store) tryInTurn(ctx context.Context, name string) (bool, error) {
	defer s.discard(ctx, name)
	if won, err := s.putOnly(ctx, name, "first"); err != nil || !won {
		return false, err
	}
	won, err := s.putOnly(ctx, name, "second")
	return !won, err
}

func (s *Store) tryAtOnce(ctx context.Context, name string) (bool, error) {
	defer s.discard(ctx, name)
	type outcome struct {
		won bool
		err error
	}
	outcomes := make(chan outcome)
	for _, content := range []string{"one", "other"} {
		go func() {
			won, err := s.putOnly(ctx, name, content)
			outcomes <- outcome{won, err}
		}()
	}
	a, b := <-outcomes, <-outcomes
	return a.won != b.won, errors.Join(a.err, b.err)
}

// putOnly asks the service alone: nothing looks beforehand.
func (s *Store) putOnly(ctx context.Context, name, content string) (won bool, err error) {
	_, err = s.api.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &s.bucket, Key: s.key(name), IfNoneMatch: aws.String("*"),
		Body: bytes.NewReader([]byte(content)),
	})
	if isPrecondition(err) {
		return false, nil
	}
	return err == nil, s.mapError("create", name, err)
}

// RefusesExisting tries the same with an object that exists, and leaves nothing:
// it sends the very bytes that the object holds.
func (s *Store) RefusesExisting(ctx context.Context, name string, content []byte) (bool, error) {
	won, err := s.putOnly(ctx, name, string(content))
	return !won && err == nil, err
}

// discard is best effort: a writer has no right to delete, and what is left is
// a few bytes.
func (s *Store) discard(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
	defer cancel()
	if seen, err := s.Stat(ctx, name); err == nil {
		_ = s.Delete(ctx, seen)
	}
}

var _ storage.Exclusive = (*Store)(nil)
