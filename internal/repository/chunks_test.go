package repository

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func TestChunksHoldWhatIsWritten(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var c chunks
	var want []byte
	for range 200 {
		p := make([]byte, random.IntN(20_000))
		for i := range p {
			p[i] = byte(random.Uint32())
		}
		if n, err := c.Write(p); n != len(p) || err != nil {
			t.Fatal(n, err)
		}
		want = append(want, p...)
	}
	if got := bytes.Join(c, nil); !bytes.Equal(got, want) {
		t.Errorf("%d bytes differ from the %d that were written", len(got), len(want))
	}
	for _, chunk := range c[:len(c)-1] {
		if len(chunk) != chunkSize {
			t.Errorf("a chunk holds %d bytes", len(chunk))
		}
	}
}
