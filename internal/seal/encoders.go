package seal

import (
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// encoders are those whose files have ended: a new one is megabytes of tables and
// history, which cost more than a small file does.
var encoders sync.Pool

// newEncoder returns an encoder that writes to dst. One goroutine per file:
// parallelism comes from the files.
func newEncoder(dst io.Writer) (*zstd.Encoder, error) {
	if encoder, ok := encoders.Get().(*zstd.Encoder); ok {
		encoder.Reset(dst)
		return encoder, nil
	}
	encoder, err := zstd.NewWriter(dst,
		zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20),
		zstd.WithZeroFrames(true)) // the stock zstd takes no bytes at all for a cut file
	if err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	return encoder, nil
}

// endEncoder writes what is left of a file, and keeps its encoder for another one.
func endEncoder(encoder *zstd.Encoder) error {
	if err := encoder.Close(); err != nil {
		return fmt.Errorf("compress: %w", err)
	}
	encoder.Reset(nil) // lest it hold what it wrote to
	encoders.Put(encoder)
	return nil
}
