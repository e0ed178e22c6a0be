package bucket

import (
	estimate "github.com/klauspost/compress"
	"github.com/klauspost/compress/zstd"
)

const (
	// estimateSize is how many bytes of a member are looked at first, and
	// hopeless is what they must reach to be worth a try: media that are
	// compressed already reach half of it, text three times as much.
	estimateSize = 4 << 10
	hopeless     = 0.15
	// An eighth of a member is compressed to find out whether it is worth it, and
	// no less or more than this.
	leastSample, mostSample = 4 << 10, 64 << 10
	// worthwhile is the share of its size that a member may keep at most to be
	// stored compressed: below that, media would cost time for nothing.
	worthwhile = 0.95
)

// newEncoder returns an encoder for whole members. EncodeAll is safe for
// concurrent use; there are as many encoders as processors, so that their tables
// stay in the caches.
func newEncoder() (*zstd.Encoder, error) {
	return zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithWindowSize(1<<20),
		zstd.WithEncoderCRC(false), // age authenticates every byte
	)
}

// compress returns member as a zstd frame, or as it is and false where that
// does not make it smaller. Samples are taken from the middle: headers of media
// compress, their bodies do not.
func compress(encoder *zstd.Encoder, member []byte) (stored []byte, compressed bool) {
	if estimate.Estimate(middle(member, estimateSize)) < hopeless {
		return member, false
	}
	if size := min(max(len(member)/8, leastSample), mostSample); len(member) > 2*size {
		sample := middle(member, size)
		if !worth(len(encoder.EncodeAll(sample, make([]byte, 0, size+64))), size) {
			return member, false
		}
	}
	frame := encoder.EncodeAll(member, make([]byte, 0, len(member)/2+64))
	if !worth(len(frame), len(member)) {
		return member, false
	}
	return frame, true
}

// middle returns size bytes, or all there are.
func middle(member []byte, size int) []byte {
	if len(member) <= size {
		return member
	}
	from := (len(member) - size) / 2
	return member[from : from+size]
}

func worth(compressed, plain int) bool { return float64(compressed) < worthwhile*float64(plain) }
