package bucket

import (
	"github.com/klauspost/compress/zstd"
)

const (
	// An eighth of a member is compressed to find out whether it is worth it, and
	// no less or more than this.
	leastSample, mostSample = 4 << 10, 64 << 10
	// worthwhile is the share of its size that a member may keep at most to be
	// stored compressed: below that, media would cost time for nothing.
	worthwhile = 0.95
)

// newEncoder returns an encoder for whole members. EncodeAll is safe for
// concurrent use; concurrency bounds the encoders that it keeps.
func newEncoder(concurrency int) (*zstd.Encoder, error) {
	return zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(concurrency),
		zstd.WithWindowSize(1<<20),
		zstd.WithEncoderCRC(false), // age authenticates every byte
	)
}

// compress returns member as a zstd frame, or as it is and false where that
// does not make it smaller. The sample is taken from the middle: headers of
// media compress, their bodies do not.
func compress(encoder *zstd.Encoder, member []byte) (stored []byte, compressed bool) {
	if size := min(max(len(member)/8, leastSample), mostSample); len(member) > 2*size {
		from := (len(member) - size) / 2
		sample := member[from : from+size]
		if !worth(len(encoder.EncodeAll(sample, nil)), len(sample)) {
			return member, false
		}
	}
	frame := encoder.EncodeAll(member, make([]byte, 0, len(member)/2+64))
	if !worth(len(frame), len(member)) {
		return member, false
	}
	return frame, true
}

func worth(compressed, plain int) bool { return float64(compressed) < worthwhile*float64(plain) }
