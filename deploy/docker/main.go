// Command docker makes the image of openim-dr without an engine, a registry or a base
// image: an archive that is an OCI image layout and one of docker save at once, so that
// `docker load` and `ctr images import` both take it.
//
// The image holds the program, the certificate authorities that Mozilla trusts, two
// names for the user that it runs as, a /tmp, and what it was made of as a CycloneDX
// document. Zone data are part of the program, which needs them on machines that have
// none as well. All that goes in is pinned by go.sum, and nothing comes from the machine
// that builds: its certificate authorities may be its own, and the same sources make
// the same bytes.
package main

import (
	"debug/buildinfo"
	"flag"
	"fmt"
	"os"
	"time"
)

func main() {
	var b build
	flag.StringVar(&b.binary, "binary", "bin/openim-dr", "the `program`, linked statically for Linux")
	flag.StringVar(&b.version, "version", "unknown", "`version` of the program")
	flag.StringVar(&b.revision, "revision", "", "`commit` that it was built from")
	stamp := flag.String("time", "", "when that was made, `RFC3339`: the same sources make the same image")
	reference := flag.String("reference", "", "`name:tag` of the image; without it openim-dr:VERSION")
	out := flag.String("out", "", "`file` that the archive is written to")
	sbom := flag.String("sbom", "", "`file` that a CycloneDX document is written to")
	tree := flag.String("tree", "", "`directory` that the image's files are put into, for the Dockerfile")
	flag.Parse()
	if *reference == "" {
		*reference = "openim-dr:" + b.version
	}
	err := b.date(*stamp)
	if err == nil {
		err = b.run(*reference, *out, *sbom, *tree)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// build is what an image is made from.
type build struct {
	binary, version, revision string

	info     *buildinfo.BuildInfo
	settings map[string]string // of the compiler
	made     time.Time         // what everything in the image is dated
}

// run writes what is asked for: an empty name asks for nothing.
func (b *build) run(reference, out, sbom, tree string) error {
	if err := b.read(); err != nil {
		return err
	}
	document, err := b.sbom()
	if err != nil {
		return fmt.Errorf("describe %s: %w", b.binary, err)
	}
	if sbom != "" {
		if err := os.WriteFile(sbom, document, 0o644); err != nil {
			return err
		}
	}
	layers, err := b.layers(document)
	if err != nil {
		return err
	}
	if tree != "" {
		if err := unpack(tree, layers); err != nil {
			return fmt.Errorf("lay out the image under %s: %w", tree, err)
		}
	}
	if out == "" {
		return nil
	}
	return b.write(out, reference, layers)
}

// read takes from the program itself what it is: the compiler has written it there.
func (b *build) read() error {
	info, err := buildinfo.ReadFile(b.binary)
	if err != nil {
		return fmt.Errorf("read %s: %w", b.binary, err)
	}
	b.info, b.settings = info, map[string]string{}
	for _, s := range info.Settings {
		b.settings[s.Key] = s.Value
	}
	if b.settings["GOOS"] != "linux" || b.settings["CGO_ENABLED"] != "0" {
		return fmt.Errorf("read %s: it is built for %s with CGO_ENABLED=%s, and an image without libraries takes GOOS=linux CGO_ENABLED=0",
			b.binary, b.settings["GOOS"], b.settings["CGO_ENABLED"])
	}
	return nil
}

// date takes the time of a commit, or the beginning of time where there is none.
func (b *build) date(stamp string) (err error) {
	b.made = time.Unix(0, 0).UTC()
	if stamp == "" {
		return nil
	}
	if b.made, err = time.Parse(time.RFC3339, stamp); err != nil {
		return fmt.Errorf("read the time of the commit: %w", err)
	}
	b.made = b.made.UTC()
	return nil
}
