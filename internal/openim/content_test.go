package openim

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/openim-dr/openim-dr/internal/source"
)

// hashOf is OpenIM's hash of a content, computed another way: all at once.
func hashOf(content []byte, part int) string {
	var sums []string
	for chunk := range slices.Chunk(content, part) {
		sums = append(sums, fmt.Sprintf("%x", md5.Sum(chunk)))
	}
	return fmt.Sprintf("%x", md5.Sum([]byte(strings.Join(sums, ","))))
}

// An object whose content is not what its own name says was damaged before it was
// backed up; of other objects the names say nothing.
func TestContentIsHeldAgainstTheName(t *testing.T) {
	small, large := []byte("a picture"), make([]byte, 2*partSize+1)
	exact := make([]byte, partSize)
	whole := md5.Sum(small)
	tests := map[string]struct {
		key     string
		content []byte
		checked int64
		bad     int64
	}{
		"one part":                            {hashPrefix + hashOf(small, partSize), small, 1, 0},
		"several parts":                       {hashPrefix + hashOf(large, partSize), large, 1, 0},
		"a part to the byte":                  {hashPrefix + hashOf(exact, partSize), exact, 1, 0},
		"another content":                     {hashPrefix + hashOf(small, partSize), []byte("a pictUre"), 1, 1},
		"the last byte of several parts":      {hashPrefix + hashOf(large, partSize), append(slices.Clone(large[:2*partSize]), 1), 1, 1},
		"the plain MD5, which the name isn't": {hashPrefix + hex.EncodeToString(whole[:]), small, 1, 1},
		"a thumbnail":                         {"openim/thumbnail/x/image.jpeg", small, 0, 0},
		"a name that is no hash":              {hashPrefix + "index.html", small, 0, 0},
		"nothing":                             {hashPrefix + hashOf(small, partSize), nil, 0, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			content := new(Content)
			if o := content.Observe("openim", tt.key, int64(len(tt.content))); o != nil {
				for piece := range slices.Chunk(tt.content, 100003) {
					if _, err := o.Write(piece); err != nil {
						t.Fatal(err)
					}
				}
				o.Done()
			}
			checked, bad, keys := content.Result()
			if checked != tt.checked || bad != tt.bad || bad == 1 && keys[0] != "openim/"+tt.key {
				t.Errorf("%d checked, %d bad: %v; want %d and %d", checked, bad, keys, tt.checked, tt.bad)
			}
		})
	}
}

// What was read only in part is judged by nobody.
func TestContentThatWasNotReadToItsEnd(t *testing.T) {
	content := new(Content)
	o := content.Observe("openim", hashPrefix+hashOf([]byte("whole"), partSize), 5)
	if _, err := io.WriteString(o, "who"); err != nil {
		t.Fatal(err)
	}
	if checked, bad, _ := content.Result(); checked+bad != 0 {
		t.Errorf("%d checked, %d bad", checked, bad)
	}
}

// Above 48.8 GiB a client cuts a file into 10,000 parts.
func TestPartsGrow(t *testing.T) {
	for size, want := range map[int64]int64{1: partSize, partSize * mostPart: partSize, partSize*mostPart + 1: partSize + 1, 100 << 30: (100<<30 + 9999) / 10000} {
		if got := partOf(size); got != want {
			t.Errorf("%d bytes: parts of %d, want %d", size, got, want)
		}
	}
}

func TestReadObjectAndAddress(t *testing.T) {
	p := func(texts ...string) (row []*string) {
		for _, text := range texts {
			if text == "NULL" {
				row = append(row, nil)
			} else {
				row = append(row, &text)
			}
		}
		return row
	}
	tests := map[string]struct {
		read func([]*string) (source.Referred, bool)
		row  []*string
		want source.Referred
		ok   bool
	}{
		"a row":                       {readObject, p("u/a.jpg", hashPrefix+"ff", "7", "ff"), source.Referred{Name: "u/a.jpg", Key: hashPrefix + "ff", Size: 7}, true},
		"a row that contradicts":      {readObject, p("u/a.jpg", hashPrefix+"ff", "7", "ee"), source.Referred{Name: "u/a.jpg", Key: hashPrefix + "ff", Size: 7, Contradicts: true}, true},
		"a row without size and hash": {readObject, p("n", "other/key", "NULL", "NULL"), source.Referred{Name: "n", Key: "other/key", Size: -1}, true},
		"a row without a key":         {readObject, p("n", "NULL", "7", "ff"), source.Referred{}, false},
		"an address":                  {readAddress, p("https://im.example.com/api/object/u1/msg%20a.jpg?type=image"), source.Referred{Name: "u1/msg a.jpg", Size: -1}, true},
		"another path":                {readAddress, p("https://elsewhere.example/pictures/1.jpg"), source.Referred{Size: -1}, false},
		"no address":                  {readAddress, p("NULL"), source.Referred{Size: -1}, false},
		"what no URL is":              {readAddress, p("%zz/object/x"), source.Referred{}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got, ok := tt.read(tt.row); got != tt.want || ok != tt.ok {
				t.Errorf("got %+v, %v; want %+v, %v", got, ok, tt.want, tt.ok)
			}
		})
	}
}
