package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// tool is openim-dr with a configuration of its own.
type tool struct {
	program, dir, repository, config, recipient string
	env                                         []string
}

// newTool makes keys and a configuration, which ends with what is given.
func newTool(ctx context.Context, program, dir, repository, config string, env ...string) (tool, error) {
	t := tool{program: program, dir: dir, repository: repository, config: filepath.Join(dir, "config.yaml"), env: env}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return t, err
	}
	public := map[string]string{}
	for _, kind := range []string{"operator", "catalog", "signing"} {
		_, out, err := command(ctx, nil, program, "keygen", kind, "--out", filepath.Join(dir, kind+".key"), "-o", "json")
		if err != nil {
			return t, err
		}
		var made struct{ Recipient, PublicKey string }
		if err := json.Unmarshal(out, &made); err != nil {
			return t, err
		}
		public[kind] = made.Recipient + made.PublicKey
	}
	t.recipient = public["operator"]
	text := fmt.Sprintf(`instance: bench
repository:
  url: %[2]s
  recipients: [%[3]s]
  catalogIdentity: file:%[1]s/catalog.key
  signingKey: file:%[1]s/signing.key
  trustedSigners: [{key: %[4]s, roles: [writer, operator]}]
`, dir, repository, public["operator"], public["signing"])
	return t, os.WriteFile(t.config, []byte(text+config), 0o600)
}

func (t tool) run(ctx context.Context, args ...string) (measurement, []byte, error) {
	return command(ctx, t.env, t.program, append(args, "--config", t.config, "--no-progress", "-o", "json")...)
}

// local reports whether the repository is a directory.
func (t tool) local() bool { return filepath.IsAbs(t.repository) }

// backup takes a point into a repository that is new.
func (t tool) backup(ctx context.Context) (measurement, error) {
	if t.local() {
		if err := os.RemoveAll(t.repository); err != nil {
			return measurement{}, err
		}
	}
	if _, _, err := t.run(ctx, "init"); err != nil {
		return measurement{}, err
	}
	m, err := t.again(ctx)
	if err != nil {
		return m, err
	}
	if t.local() {
		m.bytes, err = sizeOf(t.repository)
	}
	return m, err
}

// again takes one more point.
func (t tool) again(ctx context.Context) (measurement, error) {
	if err := settle(ctx); err != nil {
		return measurement{}, err
	}
	m, _, err := t.run(ctx, "backup")
	return m, err
}

// restore brings the last point back, and returns how long the comparison took.
func (t tool) restore(ctx context.Context, args ...string) (m measurement, compared float64, err error) {
	m, out, err := t.run(ctx, append([]string{"restore", "--identity", filepath.Join(t.dir, "operator.key"), "--yes"}, args...)...)
	if err != nil {
		return m, 0, err
	}
	// The plan comes first, then the result.
	var result struct {
		Equal   bool
		Sources []struct{ CompareSeconds float64 }
	}
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		if err := decoder.Decode(&result); err != nil {
			break
		}
	}
	if !result.Equal || len(result.Sources) == 0 {
		return m, 0, errors.New("the restore is not equal, or says nothing about it")
	}
	return m, result.Sources[0].CompareSeconds, nil
}
