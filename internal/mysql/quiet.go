package mysql

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// activity is what InnoDB says of transactions that write. Every transaction
// takes a number from one counter before its first change, and is listed from
// then on until the moment in which its changes become visible.
type activity struct {
	counter uint64   // the next number
	active  []uint64 // transactions that have written and not committed
}

var (
	transactionCounter = regexp.MustCompile(`(?m)^Trx id counter (\d+)`)
	transactionLine    = regexp.MustCompile(`(?m)^---TRANSACTION (\d+), (.*)$`)
)

// firstReader is the least of the numbers that InnoDB prints for transactions
// which have none, since they only read.
const firstReader = 1 << 48

// innodbActivity reads SHOW ENGINE INNODB STATUS, which needs the privilege
// PROCESS. The table INNODB_TRX would not do: it is a cache, and what it shows
// may be older than the question.
func innodbActivity(ctx context.Context, q querier) (*activity, error) {
	r, err := queryRecord(ctx, q, "SHOW ENGINE INNODB STATUS")
	if err != nil {
		return nil, err
	}
	return parseActivity(r.text("status"))
}

// errUnclear means that the text does not say what it should, for instance
// because a server with very many sessions cuts it short.
var errUnclear = errors.New("what InnoDB says of its transactions is not complete")

func parseActivity(status string) (*activity, error) {
	_, section, found := strings.Cut(status, "\nTRANSACTIONS\n")
	section, _, ended := strings.Cut(section, "\nFILE I/O\n")
	counter := transactionCounter.FindStringSubmatch(section)
	if !found || !ended || counter == nil || strings.Contains(section, "... truncated...") {
		return nil, errUnclear
	}
	a := new(activity)
	var err error
	if a.counter, err = strconv.ParseUint(counter[1], 10, 64); err != nil {
		return nil, fmt.Errorf("%w: %w", errUnclear, err)
	}
	for _, line := range transactionLine.FindAllStringSubmatch(section, -1) {
		id, err := strconv.ParseUint(line[1], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errUnclear, err)
		}
		if id < firstReader && !strings.HasPrefix(line[2], "not started") {
			a.active = append(a.active, id)
		}
	}
	return a, nil
}
