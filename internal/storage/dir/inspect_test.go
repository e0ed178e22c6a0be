package dir

import (
	"io/fs"
	"os"
	"testing"
)

func TestVolumeIsInspected(t *testing.T) {
	s := open(t)
	for mode, others := range map[fs.FileMode]bool{0o700: false, 0o755: false, 0o770: true, 0o702: true} {
		if err := os.Chmod(s.path, mode); err != nil {
			t.Fatal(err)
		}
		v, err := s.InspectVolume(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if v.OthersWrite != others {
			t.Errorf("mode %o: others may write: %v, want %v", mode, v.OthersWrite, others)
		}
		if v.FreeBytes == 0 || v.FreeBytes > v.Bytes || v.FreeFiles > v.Files {
			t.Errorf("the file system has no room, or more than all of it: %+v", v)
		}
	}
}
