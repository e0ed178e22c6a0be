package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// blob is a part of the image, named by what it holds.
type blob struct {
	ocispec.Descriptor
	data []byte
}

func newBlob(mediaType string, data []byte) blob {
	return blob{ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}, data}
}

func (b blob) path() string {
	return ocispec.ImageBlobsDir + "/" + b.Digest.Algorithm().String() + "/" + b.Digest.Encoded()
}

func jsonBlob(mediaType string, document any) (blob, error) {
	data, err := json.Marshal(document)
	return newBlob(mediaType, data), err
}

// config is how the image is run. The Dockerfile says the same, and a test holds the
// two against each other.
func (b *build) config() ocispec.ImageConfig {
	return ocispec.ImageConfig{
		User:       fmt.Sprintf("%d:%d", user, user),
		Env:        []string{"PATH=/usr/bin", "HOME=/tmp"},
		Entrypoint: []string{"/" + programPath},
		WorkingDir: "/tmp",
		Labels: map[string]string{
			ocispec.AnnotationTitle:    "openim-dr",
			ocispec.AnnotationVersion:  b.version,
			ocispec.AnnotationRevision: b.revision,
			ocispec.AnnotationLicenses: "Apache-2.0",
		},
	}
}

// write writes the archive.
func (b *build) write(path, name string, layers [][]entry) (err error) {
	named, err := reference.ParseDockerRef(name)
	if err != nil {
		return fmt.Errorf("name the image %q: %w", name, err)
	}
	made := b.made
	image := ocispec.Image{
		Created:  &made,
		Platform: ocispec.Platform{Architecture: b.settings["GOARCH"], OS: b.settings["GOOS"]},
		Config:   b.config(),
		RootFS:   ocispec.RootFS{Type: "layers"},
	}
	manifest := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest}
	var blobs []blob
	for _, layer := range layers {
		packed, plain, err := b.pack(layer)
		if err != nil {
			return err
		}
		blobs = append(blobs, packed)
		manifest.Layers = append(manifest.Layers, packed.Descriptor)
		image.RootFS.DiffIDs = append(image.RootFS.DiffIDs, plain)
		image.History = append(image.History, ocispec.History{Created: &made, CreatedBy: "openim-dr deploy/docker"})
	}
	config, err := jsonBlob(ocispec.MediaTypeImageConfig, image)
	if err != nil {
		return err
	}
	manifest.Config = config.Descriptor
	described, err := jsonBlob(ocispec.MediaTypeImageManifest, manifest)
	if err != nil {
		return err
	}
	described.Annotations = map[string]string{containerdName: named.String()}
	if tagged, ok := named.(reference.Tagged); ok {
		described.Annotations[ocispec.AnnotationRefName] = tagged.Tag()
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return b.writeArchive(file, reference.FamiliarString(named), described, config, blobs)
}

// containerdName is the annotation that `ctr images import` names an image by, in full
// as the kubelet asks for it. The specification has only one for the tag.
const containerdName = "io.containerd.image.name"

// pack makes the blob of a layer, and returns the digest of what is packed in it.
func (b *build) pack(layer []entry) (blob, digest.Digest, error) {
	var packed bytes.Buffer
	plain := sha256.New()
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return blob{}, "", err
	}
	if err := errors.Join(b.writeTar(io.MultiWriter(plain, w), layer), w.Close()); err != nil {
		return blob{}, "", err
	}
	return newBlob(ocispec.MediaTypeImageLayerGzip, packed.Bytes()), digest.NewDigest(digest.SHA256, plain), nil
}

// dockerImage is an entry of manifest.json, by which `docker load` finds the blobs.
// Engines older than 25 know nothing else.
type dockerImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

func (b *build) writeArchive(to io.Writer, name string, manifest, config blob, layers []blob) error {
	docker := dockerImage{Config: config.path(), RepoTags: []string{name}}
	for _, layer := range layers {
		docker.Layers = append(docker.Layers, layer.path())
	}
	w := tar.NewWriter(to)
	for _, document := range []struct {
		name    string
		content any
	}{
		{ocispec.ImageLayoutFile, ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion}},
		{ocispec.ImageIndexFile, ocispec.Index{
			Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{manifest.Descriptor},
		}},
		{"manifest.json", []dockerImage{docker}},
	} {
		data, err := json.Marshal(document.content)
		if err != nil {
			return err
		}
		if err := b.writeEntry(w, entry{name: document.name, mode: 0o644, contents: data}); err != nil {
			return err
		}
	}
	for _, part := range append([]blob{manifest, config}, layers...) {
		if err := b.writeEntry(w, entry{name: part.path(), mode: 0o644, contents: part.data}); err != nil {
			return err
		}
	}
	return w.Close()
}
