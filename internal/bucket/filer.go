package bucket

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/source"
)

const (
	// filerPort is where a filer of SeaweedFS answers, unless it is told otherwise.
	filerPort = "8888"
	// filerTimeout bounds the look at one: most servers have none, and some networks
	// answer nothing at all for a port that is closed.
	filerTimeout = 5 * time.Second
	// filerDirectory is where the S3 server keeps its buckets in the filer.
	filerDirectory = "/buckets/"
)

// filersBeside are the addresses at which the filer of a SeaweedFS would answer whose
// S3 server is at an endpoint: at the same host, and at the name that its chart gives
// to the filer where the S3 server has one of its own.
func filersBeside(endpoint *url.URL) []string {
	host := endpoint.Hostname()
	addresses := []string{net.JoinHostPort(host, filerPort)}
	label, rest, _ := strings.Cut(host, ".")
	if release, ofGateway := strings.CutSuffix(label, "-s3"); ofGateway {
		addresses = append(addresses, net.JoinHostPort(strings.TrimSuffix(release+"-filer."+rest, "."), filerPort))
	}
	return addresses
}

// examineFilers looks for filers, which ask nobody for a key: whoever reaches one needs
// none of the S3 server's. Where none answers from here, nothing is said.
func examineFilers(ctx context.Context, addresses []string) []source.Finding {
	var findings []source.Finding
	for _, address := range addresses {
		if isFiler(ctx, "http://"+address) {
			findings = append(findings, source.Finding{
				Check: "bucket.filer", Severity: source.Error,
				Evidence: fmt.Sprintf("the filer of SeaweedFS at %s lists %s to a request without a key: whoever reaches it reads, changes and deletes every object, whatever the identities of the S3 server say", address, filerDirectory),
				Remedy:   "admit SeaweedFS's own pods alone to that port with a NetworkPolicy, or set jwt.filer_signing and jwt.filer_signing.read in its security.toml",
			})
		}
	}
	return findings
}

// isFiler reports whether a server answers as a filer does, without a key.
func isFiler(ctx context.Context, server string) bool {
	ctx, cancel := context.WithTimeout(ctx, filerTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(server, "/")+filerDirectory+"?limit=1", nil)
	if err != nil {
		return false
	}
	request.Header.Set("Accept", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close() //nolint:errcheck // only read
	var listing struct{ Path string }
	const most = 64 << 10
	err = json.NewDecoder(io.LimitReader(response.Body, most)).Decode(&listing)
	return err == nil && response.StatusCode == http.StatusOK && strings.HasPrefix(listing.Path, strings.TrimSuffix(filerDirectory, "/"))
}
