package mysql

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func writeTSV(t interface{ Fatal(...any) }, rows [][][]byte) []byte {
	var out bytes.Buffer
	var w tsvWriter
	w.reset(&out)
	for _, row := range rows {
		if err := w.row(row); err != nil {
			t.Fatal(err)
		}
	}
	size := w.size()
	if err := w.flush(); err != nil {
		t.Fatal(err)
	}
	if size != int64(out.Len()) {
		t.Fatal("size() is not what was written")
	}
	return out.Bytes()
}

func readTSV(from io.Reader, columns int) (rows [][][]byte, err error) {
	r := newTSVReader(from, columns)
	for {
		row, err := r.row()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		copied := make([][]byte, len(row))
		for i, value := range row {
			copied[i] = bytes.Clone(value)
		}
		rows = append(rows, copied)
	}
}

func TestEscapesAreThoseOfLoadData(t *testing.T) {
	tests := map[string]struct {
		row  [][]byte
		want string
	}{
		"plain values":             {[][]byte{[]byte("a"), []byte("12")}, "a\t12\n"},
		"empty is not NULL":        {[][]byte{{}, nil, {}}, "\t\\N\t\n"},
		"the text \\N is not NULL": {[][]byte{[]byte(`\N`)}, `\\N` + "\n"},
		"separators":               {[][]byte{[]byte("a\tb\nc\\d\x00e")}, `a\tb\nc\\d\0e` + "\n"},
		"others stand as they are": {[][]byte{[]byte("\r\x1a\xff'\"\x08")}, "\r\x1a\xff'\"\x08\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := string(writeTSV(t, [][][]byte{tt.row})); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// Invariant 3: whatever the bytes, they come back.
func TestRowsComeBackFromTSV(t *testing.T) {
	value := rapid.OneOf(
		rapid.Just([]byte(nil)),
		rapid.SliceOfN(rapid.SampledFrom([]byte("\x00\t\n\\N0tn a")), 0, 20),
		rapid.SliceOf(rapid.Byte()),
	)
	rapid.Check(t, func(t *rapid.T) {
		columns := rapid.IntRange(1, 5).Draw(t, "columns")
		rows := rapid.SliceOfN(rapid.SliceOfN(value, columns, columns), 0, 8).Draw(t, "rows")
		for _, row := range rows {
			for i := range row {
				if row[i] != nil && len(row[i]) == 0 {
					row[i] = []byte{}
				}
			}
		}
		got, err := readTSV(bytes.NewReader(writeTSV(t, rows)), columns)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(rows, got); diff != "" && len(rows)+len(got) > 0 {
			t.Fatalf("rows differ (-want +got):\n%s", diff)
		}
	})
}

// Invariant 7: a value of any size passes through a buffer of one.
func TestLargeValuesPassInPieces(t *testing.T) {
	for _, size := range []int{escapePiece - 1, escapePiece, escapePiece + 1, 40 * escapePiece} {
		row := [][]byte{bytes.Repeat([]byte("\\\nx"), size/3+1)[:size], []byte("next")}
		var out bytes.Buffer
		var w tsvWriter
		w.reset(&out)
		if err := w.row(row); err != nil {
			t.Fatal(err)
		}
		if err := w.flush(); err != nil {
			t.Fatal(err)
		}
		if cap(w.buf) > 4*flushSize {
			t.Errorf("a value of %d bytes made the buffer %d bytes large", size, cap(w.buf))
		}
		rows, err := readTSV(&out, 2)
		if err != nil || len(rows) != 1 || !slices.EqualFunc(row, rows[0], bytes.Equal) {
			t.Errorf("a value of %d bytes did not come back: %v", size, err)
		}
	}
}

// A damaged chunk is an error or other rows, never a panic; and what is read
// is written the same again.
func FuzzTSVReader(f *testing.F) {
	for _, seed := range []string{"", "\n", "a\tb\n", "\\N\t\\\\\n", "\\", "a", "\\N\\N\t\n", "\\x\t\n", "a\tb\tc\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		rows, err := readTSV(bytes.NewReader(data), 2)
		if err != nil {
			return
		}
		again, err := readTSV(bytes.NewReader(writeTSV(t, rows)), 2)
		if err != nil || !cmp.Equal(rows, again) {
			t.Errorf("rows %q are %q when written and read again: %v", rows, again, err)
		}
	})
}
