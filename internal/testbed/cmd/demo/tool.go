package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"
)

// tool runs openim-dr as a user would.
type tool struct {
	program string
	dir     string
	env     []string
}

// run shows the command and what it prints.
func (t tool) run(ctx context.Context, args ...string) error {
	return t.exec(ctx, os.Stdout, args...)
}

// json runs the command with -o json and reads its result.
func (t tool) json(ctx context.Context, into any, args ...string) error {
	var out bytes.Buffer
	if err := t.exec(ctx, &out, append(args, "-o", "json")...); err != nil {
		return err
	}
	if err := json.Unmarshal(out.Bytes(), into); err != nil {
		return fmt.Errorf("read what %s printed: %w", args[0], err)
	}
	return nil
}

func (t tool) exec(ctx context.Context, stdout io.Writer, args ...string) error {
	fmt.Printf("\n    $ openim-dr %s\n", strings.Join(args, " "))
	cmd := exec.CommandContext(ctx, t.program, append(args, "--no-progress", "--log-level", "warn")...)
	cmd.Dir = t.dir
	cmd.Env = append(os.Environ(), t.env...)
	indented := &indent{w: stdout, start: true}
	cmd.Stdout, cmd.Stderr = indented, os.Stderr
	if stdout != os.Stdout {
		cmd.Stdout = stdout
	}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("openim-dr %s: %w", args[0], err)
	}
	return nil
}

// indent sets what the tool prints apart from what the demo says.
type indent struct {
	w     io.Writer
	start bool
}

func (i *indent) Write(p []byte) (int, error) {
	for _, line := range bytes.SplitAfter(p, []byte("\n")) {
		if len(line) == 0 {
			continue
		}
		prefix := ""
		if i.start {
			prefix = "    "
		}
		if _, err := fmt.Fprintf(i.w, "%s%s", prefix, line); err != nil {
			return 0, err
		}
		i.start = bytes.HasSuffix(line, []byte("\n"))
	}
	return len(p), nil
}

// keys are the public halves that the configuration names.
type keys struct{ Operator, Catalog, Signing string }

// keygen makes the keys of a small deployment.
func (t tool) keygen(ctx context.Context) (keys, error) {
	var k keys
	for kind, into := range map[string]*string{"operator": &k.Operator, "catalog": &k.Catalog, "signing": &k.Signing} {
		var made struct{ Recipient, PublicKey string }
		if err := t.json(ctx, &made, "keygen", kind, "--out", kind+".key"); err != nil {
			return keys{}, err
		}
		*into = made.Recipient + made.PublicKey
	}
	return k, nil
}

var configuration = template.Must(template.New("configuration").Parse(`instance: openim-demo
repository:
  url: {{.URL}}
  recipients: [{{.Keys.Operator}}]
  catalogIdentity: file:{{.Dir}}/catalog.key
  signingKey: file:{{.Dir}}/signing.key
  trustedSigners: [{key: {{.Keys.Signing}}, roles: [writer, operator, drill]}]
sources:
  - {name: main, kind: mysql, address: "{{.MySQL}}", user: {{.User}}, password: "env:MYSQL_PASSWORD", schemas: [openIM_v3, openim_enterprise]}
  - {name: media, kind: buckets, endpoint: "{{.S3}}", accessKey: "env:S3_ACCESS_KEY", secretKey: "env:S3_SECRET_KEY", buckets: [{{.Bucket}}]}
  - {name: cluster, kind: kubernetes, kubeconfig: "{{.Kubeconfig}}", cluster: demo, namespaces: [{{.Namespaces}}], kinds: [secrets, configmaps]}
objectives: {rpo: 24h, rto: 30m}
copies: [{name: second, url: {{.Dir}}/copy}]
retention: {last: 1, daily: 7, weekly: 4, monthly: 12}
verify:
  identity: file:{{.Dir}}/operator.key
  mysqlImage: {{.MySQLImage}}
  seaweedfsImage: {{.SeaweedFSImage}}
  assertions:
    - {name: there are users, source: main, sql: "SELECT COUNT(*) > 0 FROM openIM_v3.users"}
`))

// configure writes the configuration for one repository and returns its path.
func (t tool) configure(name, url string, k keys, s *servers) (string, error) {
	path := filepath.Join(t.dir, name+".yaml")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	err = configuration.Execute(file, map[string]any{
		"URL": url, "Keys": k, "Dir": t.dir, "MySQL": s.env["MYSQL_ADDRESS"], "User": s.env["MYSQL_USER"],
		"S3": s.env["S3_ENDPOINT"], "Bucket": s.bucket, "Kubeconfig": s.env["KUBECONFIG"],
		"MySQLImage": s.env["MYSQL_IMAGE"], "SeaweedFSImage": s.env["SEAWEEDFS_IMAGE"],
		"Namespaces": strings.Join(s.namespaces, ", "),
	})
	if err != nil {
		return "", fmt.Errorf("write %s: %w", path, err)
	}
	return name + ".yaml", file.Close()
}
