// Package helm reads what Helm keeps of its releases in a cluster: the revision that a
// Secret or ConfigMap holds, the values that were given to it, and the objects of its
// manifest. It asks no server. Whatever stands in what it is given, it takes little
// memory, and no error quotes any of it.
package helm

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v2"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kubejson "k8s.io/apimachinery/pkg/util/json"
)

// What Helm 3 and 4 keep of a release, so far as it is wanted here: a Secret, or
// with the driver "configmap" a ConfigMap, with the labels below, in whose field
// release stands the base64 of the gzip of a JSON document. After pkg/storage/driver
// (secrets.go, util.go), pkg/release and pkg/chart of helm.sh/helm/v3.
const (
	SecretType = "helm.sh/release.v1"

	NameLabel    = "name"
	VersionLabel = "version"
	StatusLabel  = "status"

	Deployed     = "deployed"
	Uninstalled  = "uninstalled"
	Uninstalling = "uninstalling"

	// Helm writes these into every object of a release.
	NameAnnotation      = "meta.helm.sh/release-name"
	NamespaceAnnotation = "meta.helm.sh/release-namespace"
)

// Selector finds what Helm keeps of its releases, in Secrets or ConfigMaps, one
// for each revision.
const Selector = "owner=helm"

// maxRelease bounds what a release unpacks to, in bytes. What is stored of one is a
// megabyte at most; text shrinks to a tenth of itself.
const maxRelease = 16 << 20

// RevisionOf reads Helm's labels; 0 where it is no revision of a release.
func RevisionOf(u *unstructured.Unstructured) (release string, revision int) {
	labels := u.GetLabels()
	if labels["owner"] != "helm" || labels["name"] == "" {
		return "", 0
	}
	revision, err := strconv.Atoi(labels["version"])
	if err != nil {
		return "", 0
	}
	return labels["name"], revision
}

// errRelease stands for all that is wrong with a release: what a decoder says may
// quote it.
var errRelease = errors.New("it is not a release as Helm writes them")

// Release is one revision of a release.
type Release struct {
	Name, Namespace string
	Revision        int64
	Status          string
	Chart           Chart
	Values          map[string]any // the values that the user gave
	Manifest        string
}

// Chart is what is recorded of a chart.
type Chart struct {
	Name       string `json:"name"`
	Version    string `json:"version"`
	AppVersion string `json:"appVersion"`
}

// Read reads the release that a Secret or ConfigMap holds. Whatever stands
// there, it takes no more memory than maxRelease.
func Read(u *unstructured.Unstructured) (*Release, error) {
	text, _, _ := unstructured.NestedString(u.Object, "data", "release")
	packed := base64.NewDecoder(base64.StdEncoding, strings.NewReader(text))
	if u.GetKind() == "Secret" {
		if secretType, _, _ := unstructured.NestedString(u.Object, "type"); secretType != SecretType {
			return nil, errRelease
		}
		packed = base64.NewDecoder(base64.StdEncoding, packed) // the Secret's own, and Helm's
	}
	unpacked, err := unpackRelease(packed)
	if err != nil {
		return nil, errRelease
	}
	limited := &io.LimitedReader{R: unpacked, N: maxRelease + 1}
	release, err := decodeRelease(json.NewDecoder(limited))
	if err != nil || limited.N == 0 {
		return nil, errRelease
	}
	return release, nil
}

// unpackRelease undoes gzip. Releases of the first versions are not packed.
func unpackRelease(packed io.Reader) (io.Reader, error) {
	buffered := bufio.NewReader(packed)
	magic, err := buffered.Peek(3)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(magic, []byte{0x1f, 0x8b, 0x08}) {
		return buffered, nil
	}
	return gzip.NewReader(buffered)
}

// decodeRelease reads what is wanted of a release and skips the rest, piece by
// piece: the chart's templates are most of it.
func decodeRelease(d *json.Decoder) (*Release, error) {
	r := &Release{Values: map[string]any{}}
	err := eachField(d, func(name string) error {
		switch name {
		case "name":
			return d.Decode(&r.Name)
		case "namespace":
			return d.Decode(&r.Namespace)
		case "version":
			return d.Decode(&r.Revision)
		case "manifest":
			return d.Decode(&r.Manifest)
		case "config":
			return decodeConfig(d, r)
		case "info":
			var info struct {
				Status string `json:"status"`
			}
			err := d.Decode(&info)
			r.Status = info.Status
			return err
		case "chart":
			return eachField(d, func(name string) error {
				if name == "metadata" {
					return d.Decode(&r.Chart)
				}
				return skipValue(d)
			})
		default:
			return skipValue(d)
		}
	})
	return r, err
}

func decodeConfig(d *json.Decoder, r *Release) error {
	var raw json.RawMessage
	if err := d.Decode(&raw); err != nil {
		return err
	}
	// This Unmarshal keeps integers integers. Helm writes null for no values.
	if err := kubejson.Unmarshal(raw, &r.Values); err != nil {
		return err
	}
	if r.Values == nil {
		r.Values = map[string]any{}
	}
	return nil
}

// eachField reads an object, or null, and calls fn with the name of each field; fn
// reads its value.
func eachField(d *json.Decoder, fn func(name string) error) error {
	start, err := d.Token()
	if err != nil || start == nil {
		return err
	}
	if start != json.Delim('{') {
		return errRelease
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		text, ok := name.(string)
		if !ok {
			return errRelease
		}
		if err := fn(text); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}

// skipValue reads a value and keeps nothing of it.
func skipValue(d *json.Decoder) error {
	for depth := 0; ; {
		token, err := d.Token()
		if err != nil {
			return err
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}

// ValuesYAML are the user's values as YAML, with sorted keys.
func (r *Release) ValuesYAML() ([]byte, error) {
	text, err := yaml.Marshal(r.Values)
	if err != nil {
		return nil, fmt.Errorf("write the values of a release as YAML: not possible") // the library's error may quote a value
	}
	return text, nil
}
