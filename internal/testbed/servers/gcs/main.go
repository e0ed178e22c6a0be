// Command gcs is the testbed's Google Cloud Storage: fake-gcs-server behind a
// front that adds the rules of Google's JSON API which the emulator lacks.
package main

import (
	"cmp"
	"flag"
	"fmt"
	"net/http"
	"os"

	"github.com/fsouza/fake-gcs-server/fakestorage"

	"github.com/openim-dr/openim-dr/internal/testbed/servers/gcs/front"
)

func main() {
	listen := flag.String("listen", "", "address to serve on")
	data := flag.String("data", "", "directory to keep objects in; without it they are in memory, and found by looking at all of them")
	url := flag.String("url", "", "how others reach it; without it by that address")
	flag.Parse()
	s, err := fakestorage.NewServerWithOptions(fakestorage.Options{
		NoListener: true, ExternalURL: cmp.Or(*url, "http://"+*listen), StorageRoot: *data,
	})
	if err == nil {
		err = http.ListenAndServe(*listen, front.New(s.HTTPHandler()))
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
