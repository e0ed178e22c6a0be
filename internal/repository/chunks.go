package repository

// chunkSize is what chunks grows by.
const chunkSize = 256 << 10

// chunks gathers bytes without ever moving them: a buffer that doubles would have
// thrice as much in memory while it does, and half of it unused after.
type chunks [][]byte

// Write implements io.Writer.
func (c *chunks) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		last := len(*c) - 1
		if last < 0 || len((*c)[last]) == cap((*c)[last]) {
			*c = append(*c, make([]byte, 0, chunkSize))
			last++
		}
		n := min(len(rest), cap((*c)[last])-len((*c)[last]))
		(*c)[last] = append((*c)[last], rest[:n]...)
		rest = rest[n:]
	}
	return len(p), nil
}
