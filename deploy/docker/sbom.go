package main

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// sbom names what the program is made of: every module whose packages are linked in,
// and Go itself, as the compiler has written them into it.
func (b *build) sbom() ([]byte, error) {
	program := cdx.Component{
		Type: cdx.ComponentTypeApplication, BOMRef: purl(b.info.Main.Path, b.version),
		Name: "openim-dr", Version: b.version, PackageURL: purl(b.info.Main.Path, b.version),
		Licenses: &cdx.Licenses{{License: &cdx.License{ID: "Apache-2.0"}}},
	}
	components := []cdx.Component{{
		Type: cdx.ComponentTypeLibrary, BOMRef: purl("std", strings.TrimPrefix(b.info.GoVersion, "go")),
		Name: "std", Version: b.info.GoVersion, PackageURL: purl("std", strings.TrimPrefix(b.info.GoVersion, "go")),
	}}
	for _, m := range b.info.Deps {
		components = append(components, component(cmp.Or(m.Replace, m)))
	}
	needs := make([]string, len(components))
	for i, c := range components {
		needs[i] = c.BOMRef
	}
	slices.Sort(needs)
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Timestamp: b.made.Format(time.RFC3339), Component: &program}
	bom.Components = &components
	bom.Dependencies = &[]cdx.Dependency{{Ref: program.BOMRef, Dependencies: &needs}}
	var document bytes.Buffer
	err := cdx.NewBOMEncoder(&document, cdx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, cdx.SpecVersion1_6)
	return document.Bytes(), err
}

func component(m *debug.Module) cdx.Component {
	c := cdx.Component{Type: cdx.ComponentTypeLibrary, BOMRef: purl(m.Path, m.Version), Name: m.Path, Version: m.Version, PackageURL: purl(m.Path, m.Version)}
	// go.sum's h1 is a SHA-256 over the names and SHA-256 of a module's files.
	if sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(m.Sum, "h1:")); err == nil && len(sum) > 0 {
		c.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(sum)}}
	}
	return c
}

// purl is the package URL of a module.
func purl(path, version string) string {
	return "pkg:golang/" + path + "@" + url.PathEscape(version)
}
