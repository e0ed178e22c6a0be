package seed

import (
	"bytes"
	"compress/gzip"
	"crypto/ed25519"
	"crypto/x509"
	"crypto/x509/pkix"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

//go:embed openim.yaml
var openIMConfig string

// openIM makes what lives in OpenIM's own namespace. The configuration holds the
// passwords in clear, as that of the public chart does.
func (c *cluster) openIM(namespace string) {
	root, user := c.password("mysql-root-password"), c.password("mysql-password")
	mongo, redis := c.password("mongo"), c.password("redis")
	s3 := c.password("s3")
	c.secret(namespace, "openim-mysql", corev1.SecretTypeOpaque, map[string]string{
		"mysql-root-password": root, "mysql-password": user,
	})
	c.secret(namespace, "openim-redis", corev1.SecretTypeOpaque, map[string]string{"password": redis})
	c.secret(namespace, "openim-admin", corev1.SecretTypeBasicAuth, map[string]string{
		"username": "openIMAdmin", "password": c.password("admin"),
	})
	c.secret(namespace, "registry", corev1.SecretTypeDockerConfigJson, map[string]string{
		".dockerconfigjson": c.dockerConfig(),
	})
	c.secret(namespace, "push-key", corev1.SecretTypeOpaque, map[string]string{
		"key.bin": string(c.binary("push-key", 3000)), "empty": "", "with-newline": "ends with a newline\n",
	})
	c.secret(namespace, "sh.helm.release.v1.openim.v3", "helm.sh/release.v1", map[string]string{
		"release": c.helmRelease(namespace),
	}).Labels = map[string]string{"owner": "helm", "name": "openim", "status": "deployed", "version": "3"}

	config := c.configMap(namespace, "openim-cm", map[string]string{
		"config.yaml": strings.NewReplacer(
			"{mysqlPassword}", root, "{mongoPassword}", mongo, "{redisPassword}", redis,
			"{s3Password}", s3, "{tokenSecret}", c.password("token secret"),
		).Replace(openIMConfig),
		"notification.yaml": "groupCreated:\n  isSendMsg: true\n  unreadCount: false\n  offlinePush:\n    title: \"建群通知 😀\"\n",
	})
	config.Annotations = map[string]string{
		"meta.helm.sh/release-name": "openim",
		"example.com/note":          "multi\nline: \"quoted\", {braces} and 中文",
	}
	config.Labels["example.com/empty"] = ""
	c.configMap(namespace, "openim-assets", map[string]string{"empty": "", "blank-end": "a \nb\t\n"}).
		BinaryData = map[string][]byte{"favicon.ico": c.binary("favicon", 1200), "nul": {0}}
}

// seaweedFS makes what its chart makes, the identities of its S3 gateway included.
func (c *cluster) seaweedFS(namespace string) {
	identities := fmt.Sprintf(`{"identities":[{"name":"openim","credentials":[{"accessKey":"openim","secretKey":%q}],"actions":["Admin","Read","Write","List","Tagging"]}]}`, c.password("identity"))
	c.secret(namespace, "seaweedfs-s3-secret", corev1.SecretTypeOpaque, map[string]string{
		"seaweedfs_s3_config": identities, "admin_access_key_id": "openim",
	})
	immutable := true
	c.secret(namespace, "seaweedfs-jwt", corev1.SecretTypeOpaque, map[string]string{"signing": c.password("jwt")}).Immutable = &immutable
	c.configMap(namespace, "seaweedfs-master-config", map[string]string{
		"master.toml": "[master.maintenance]\nscripts = \"\"\"\n  ec.encode -fullPercent=95 -quietFor=1h\n\"\"\"\nsleep_minutes = 17\n",
	})
}

// monitoring makes what is typical of the namespace of a Prometheus.
func (c *cluster) monitoring(namespace string) {
	c.secret(namespace, "grafana", corev1.SecretTypeOpaque, map[string]string{
		"admin-user": "admin", "admin-password": c.password("grafana"), "ldap-toml": "",
	})
	c.secret(namespace, "alertmanager-key", corev1.SecretTypeSSHAuth, map[string]string{
		"ssh-privatekey": c.password("ssh") + "\n",
	})
	c.configMap(namespace, "grafana-dashboards", map[string]string{
		"openim.json": `{"title":"OpenIM","panels":[` + strings.Repeat(`{"type":"graph","expr":"rate(msg_total[5m])"},`, 400) + `{}]}`,
	})
	c.configMap(namespace, "empty", nil)
}

func (c *cluster) dockerConfig() string {
	secret := c.password("registry")
	auth := base64.StdEncoding.EncodeToString([]byte("puller:" + secret))
	return fmt.Sprintf(`{"auths":{"registry.example.com":{"username":"puller","password":%q,"auth":%q}}}`, secret, auth)
}

// helmRelease is a release as Helm stores it: JSON, gzipped, in base64.
func (c *cluster) helmRelease(namespace string) string {
	release, _ := json.Marshal(map[string]any{ // maps of strings and numbers always marshal
		"name":      "openim",
		"namespace": namespace,
		"version":   3,
		"info":      map[string]any{"status": "deployed", "last_deployed": epoch.Format(time.RFC3339)},
		"chart":     map[string]any{"metadata": map[string]any{"name": "openim-server", "version": "0.1.17", "appVersion": "3.3.2"}},
		"config": map[string]any{
			"replicaCount": 2,
			"mysql":        map[string]any{"password": c.password("helm value")},
			"ingress":      map[string]any{"host": "im.example.com"},
		},
		"manifest": "---\napiVersion: v1\nkind: Service\n",
	})
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	_, _ = zip.Write(release) // writing to memory never fails
	_ = zip.Close()
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

// binary is a value that is no text.
func (c *cluster) binary(label string, length int) []byte {
	b := make([]byte, length)
	_, _ = rand.NewChaCha8(digest(c.seed, "binary "+label)).Read(b) // never fails
	return b
}

// certificate adds a TLS Secret with a certificate of its own. An Ed25519 key
// signs the same bytes the same way each time.
func (c *cluster) certificate(namespace, name, host string) error {
	seed := digest(c.seed, "certificate "+host)
	key := ed25519.NewKeyFromSeed(seed[:])
	template := &x509.Certificate{
		SerialNumber: big.NewInt(int64(c.seed&0x7fffffff) + 1),
		Subject:      pkix.Name{CommonName: host},
		DNSNames:     []string{host},
		NotBefore:    epoch.Add(-30 * day),
		NotAfter:     epoch.Add(year),
	}
	der, err := x509.CreateCertificate(nil, template, template, key.Public(), key)
	if err != nil {
		return fmt.Errorf("create certificate of %s: %w", host, err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode key of %s: %w", host, err)
	}
	c.passwords = append(c.passwords, base64.StdEncoding.EncodeToString(private))
	c.secret(namespace, name, corev1.SecretTypeTLS, map[string]string{
		"tls.crt": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		"tls.key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})),
	})
	return nil
}
