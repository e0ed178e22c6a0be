package hook

import (
	"bytes"
	"log/slog"
)

// Bounds of what is logged of a command's output (invariant 7).
const (
	maxLine   = 1 << 10
	maxLines  = 1000
	maxOutput = 64 << 10
)

// lines logs what is written to it, line by line. What exceeds the bounds is
// taken and thrown away, so that no command waits or dies for being read no
// more. It belongs to one goroutine: a command's two outputs are one pipe.
type lines struct {
	log     *slog.Logger
	line    []byte
	logged  int // bytes
	count   int // lines
	dropped int // bytes
}

func newLines(log *slog.Logger) *lines { return &lines{log: log} }

// Write never fails.
func (l *lines) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		part, after, whole := bytes.Cut(rest, []byte("\n"))
		l.add(part)
		if whole {
			l.flush()
		}
		rest = after
	}
	return len(p), nil
}

// add keeps as much of a line as is going to be logged.
func (l *lines) add(part []byte) {
	room := min(maxLine, maxOutput-l.logged) - len(l.line)
	if l.count == maxLines {
		room = 0
	}
	kept := part[:max(0, min(room, len(part)))]
	l.line = append(l.line, kept...)
	l.dropped += len(part) - len(kept)
}

func (l *lines) flush() {
	if text := bytes.TrimSpace(l.line); len(text) > 0 {
		l.log.Info("hook says", "line", string(bytes.ToValidUTF8(text, []byte("�"))))
		l.logged += len(l.line)
		l.count++
	}
	l.line = l.line[:0]
}

// end logs the last line, and how much was left out.
func (l *lines) end() {
	l.flush()
	if l.dropped > 0 {
		l.log.Warn("hook says more than is logged", "bytes", l.dropped)
	}
}
