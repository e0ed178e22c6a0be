package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
)

// result is one comparison, as bench/out/results.json has it. Ours and Peer are
// medians of the rounds. Where there is no peer the limit is for Ours itself.
type result struct {
	Name  string  `json:"name"`
	Ours  float64 `json:"ours"`
	Peer  float64 `json:"peer,omitempty"`
	Unit  string  `json:"unit"`
	Ratio float64 `json:"ratio,omitempty"`
	Limit float64 `json:"limit"`

	PeerCommand string    `json:"peerCommand,omitempty"`
	PeerVersion string    `json:"peerVersion,omitempty"`
	OursBytes   int64     `json:"oursBytes,omitempty"` // written
	PeerBytes   int64     `json:"peerBytes,omitempty"` // written
	OursRounds  []float64 `json:"oursRounds,omitempty"`
	PeerRounds  []float64 `json:"peerRounds,omitempty"`
	Note        string    `json:"note,omitempty"`
}

// against compares runs with runs of a peer, which were made in turn.
func against(name string, limit float64, ours, peer []measurement) result {
	r := result{Name: name, Unit: "s", Limit: limit, OursRounds: seconds(ours), PeerRounds: seconds(peer)}
	r.Ours, r.Peer = median(r.OursRounds), median(r.PeerRounds)
	r.Ratio = r.Ours / r.Peer
	r.OursBytes, r.PeerBytes = ours[0].bytes, peer[0].bytes
	return r
}

// peak is the largest memory of any of the runs, which has a limit of its own.
func peak(name string, limit float64, runs ...[]measurement) result {
	r := result{Name: name, Unit: "MiB", Limit: limit}
	for _, m := range slices.Concat(runs...) {
		r.OursRounds = append(r.OursRounds, float64(m.memory)/(1<<20))
	}
	r.Ours = slices.Max(r.OursRounds)
	return r
}

func (r result) met() bool {
	if r.Peer == 0 {
		return r.Ours <= r.Limit
	}
	return r.Ratio <= r.Limit
}

func seconds(runs []measurement) []float64 {
	all := make([]float64, len(runs))
	for i, m := range runs {
		all[i] = m.elapsed.Seconds()
	}
	return all
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[middle-1] + sorted[middle]) / 2
	}
	return sorted[middle]
}

func printTable(w io.Writer, all []result) {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.AppendHeader(table.Row{"comparison", "openim-dr", "written", "peer", "written", "ratio", "limit", ""})
	for _, r := range all {
		row := table.Row{r.Name, fmt.Sprintf("%.1f %s", r.Ours, r.Unit), "", "", "", "", fmt.Sprintf("%g %s", r.Limit, r.Unit), "MISSED"}
		if r.OursBytes > 0 {
			row[2], row[4] = humanize.IBytes(uint64(r.OursBytes)), humanize.IBytes(uint64(r.PeerBytes)) // not negative
		}
		if r.Peer > 0 {
			row[3], row[5], row[6] = fmt.Sprintf("%.1f %s", r.Peer, r.Unit), fmt.Sprintf("%.3f", r.Ratio), r.Limit
		}
		if r.met() {
			row[7] = "met"
		}
		t.AppendRow(row)
	}
	t.Render()
	for _, r := range all {
		if r.Note != "" {
			_, _ = fmt.Fprintf(w, "%s: %s\n", r.Name, r.Note) // to a terminal
		}
	}
}

func writeResults(path string, all []result) error {
	data, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o600)
}
