// Command panels asks every question of a dashboard of Grafana to Prometheus, of what it
// would have scraped, and fails where one is not answered by numbers:
//
//	panels DASHBOARD SCRAPE…
//
// A SCRAPE is a file as /metrics answers; its time is when it was last written.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"regexp"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/tsdb"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: panels DASHBOARD SCRAPE…")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, board string, scrapes []string) (err error) {
	queries, err := readQueries(board)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "panels-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	db, err := tsdb.Open(dir, slog.New(slog.DiscardHandler), nil, tsdb.DefaultOptions(), nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var now time.Time
	for _, scrape := range scrapes {
		if now, err = ingest(ctx, db, scrape); err != nil {
			return fmt.Errorf("%s: %w", scrape, err)
		}
	}
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute, LookbackDelta: 5 * time.Minute, Parser: parser.NewParser(parser.Options{})})
	defer func() { err = errors.Join(err, engine.Close()) }()
	var unanswered []error
	for _, q := range queries {
		if why := ask(ctx, engine, db, q.expr, now); why != nil {
			unanswered = append(unanswered, fmt.Errorf("panel %q asks %s: %w", q.panel, q.expr, why))
		}
	}
	fmt.Printf("%d of %d questions are answered\n", len(queries)-len(unanswered), len(queries))
	return errors.Join(unanswered...)
}

// query is what one line of a panel asks, with the variables of the dashboard as they are
// where nothing was chosen: all of them.
type query struct{ panel, expr string }

func readQueries(board string) ([]query, error) {
	data, err := os.ReadFile(board)
	if err != nil {
		return nil, err
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(data, &dashboard); err != nil {
		return nil, fmt.Errorf("%s: %w", board, err)
	}
	variable := regexp.MustCompile(`\$\w+`)
	var all []query
	for _, p := range dashboard.Panels {
		for _, t := range p.Targets {
			all = append(all, query{p.Title, variable.ReplaceAllLiteralString(t.Expr, ".+")})
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: its panels ask nothing", board)
	}
	return all, nil
}

// ingest adds what was scraped, with the labels that Prometheus gives the series of a
// pod, and returns when that was.
func ingest(ctx context.Context, db *tsdb.DB, file string) (time.Time, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return time.Time{}, err
	}
	written, err := os.Stat(file)
	if err != nil {
		return time.Time{}, err
	}
	at := written.ModTime()
	symbols := labels.NewSymbolTable()
	samples := textparse.NewPromParser(text, symbols, false)
	into := db.Appender(ctx)
	for {
		switch entry, err := samples.Next(); {
		case errors.Is(err, io.EOF):
			return at, into.Commit()
		case err != nil:
			return at, errors.Join(err, into.Rollback())
		case entry != textparse.EntrySeries:
			continue
		}
		_, _, value := samples.Series()
		var series labels.Labels
		samples.Labels(&series)
		b := labels.NewBuilder(series)
		b.Set("namespace", "openim-dr")
		b.Set("job", "openim-dr")
		b.Set("pod", "openim-dr-0")
		if _, err := into.Append(0, b.Labels(), at.UnixMilli(), value); err != nil {
			return at, errors.Join(err, into.Rollback())
		}
	}
}

// ask fails where an answer is none, or not a number.
func ask(ctx context.Context, engine *promql.Engine, db *tsdb.DB, expr string, now time.Time) error {
	q, err := engine.NewInstantQuery(ctx, db, nil, expr, now)
	if err != nil {
		return err
	}
	defer q.Close()
	result := q.Exec(ctx)
	if result.Err != nil {
		return result.Err
	}
	answer, err := result.Vector()
	if err != nil {
		return err
	}
	if len(answer) == 0 {
		return errors.New("there is no answer")
	}
	for _, sample := range answer {
		if math.IsNaN(sample.F) {
			return fmt.Errorf("the answer of %s is not a number", sample.Metric)
		}
	}
	return nil
}
