package repository

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/openim-dr/openim-dr/internal/storage"
)

// Notices are what a daemon has told people and is not over yet: a numbered series, of
// which the highest number counts, so that the next daemon neither repeats it nor
// forgets to say when it is over. It is not signed. Whoever could forge one could keep
// a daemon from telling; what is wrong is told by everything else.
type Notices struct {
	Kind       string `json:"kind"`
	Format     int    `json:"format"`
	Repository string `json:"repository"`
	Instance   string `json:"instance"`
	Number     int    `json:"number"`
	// Time is when it was written.
	Time    time.Time `json:"time"`
	Notices []Notice  `json:"notices"`
}

// Notice is one thing that one receiver was told.
type Notice struct {
	// Receiver is the name of a notification of the configuration.
	Receiver string `json:"receiver"`
	// About names the thing: what sort it is of, and the name of a source, stream,
	// schedule or copy.
	About    string `json:"about"`
	Severity string `json:"severity"`
	// Since is when it was first seen, Told when it was told last.
	Since time.Time `json:"since"`
	Told  time.Time `json:"told"`
	// Occurrence is which one was told of things that happen and do not last.
	Occurrence string `json:"occurrence,omitempty"`
}

// NoticeLog is where what was told of one instance is kept. It is safe for concurrent
// use.
type NoticeLog struct {
	Store    storage.ReadWriter
	Repo     *Repository
	Instance string
}

// dir is that of the series. No schedule has it: an escaped name holds no "@".
func (l *NoticeLog) dir() string { return schedulesDir + FileName(l.Instance) + "@@notices/" }

// Last returns what was told last. Where nothing was, or the record is damaged, it has
// no notices, and the number of the damaged one.
func (l *NoticeLog) Last(ctx context.Context) (*Notices, error) {
	numbers, err := series(ctx, l.Store, l.dir())
	if err != nil {
		return nil, fmt.Errorf("list what was notified: %w", err)
	}
	if len(numbers) == 0 {
		return new(Notices), nil
	}
	last := numbers[len(numbers)-1]
	data, err := storage.Get(ctx, l.Store, l.path(last), maxPlain)
	if err != nil {
		return nil, fmt.Errorf("read what was notified: %w", err)
	}
	var n Notices
	if json.Unmarshal(data, &n) != nil || n.Kind != kindNotices || n.Repository != l.Repo.record.Repository || n.Instance != l.Instance {
		n = Notices{}
	}
	n.Number = last
	return &n, nil
}

// Append keeps what was told under its Number. Of two that take the same number one
// gets storage.ErrExist.
func (l *NoticeLog) Append(ctx context.Context, n Notices) error {
	n.Kind, n.Format, n.Repository, n.Instance = kindNotices, Format, l.Repo.record.Repository, l.Instance
	if n.Notices == nil {
		n.Notices = []Notice{}
	}
	_, err := putPlain(ctx, l.Store, l.path(n.Number), n)
	return err
}

func (l *NoticeLog) path(number int) string { return l.dir() + strconv.Itoa(number) + ".json" }
