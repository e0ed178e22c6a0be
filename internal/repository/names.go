package repository

import (
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// The names on disk, each with who writes it and what its presence means.
const (
	// repositoryDir: records written by an operator; the highest number that a
	// trusted operator signed counts. Also the wrapped digest key.
	repositoryDir = "repository/"
	// runsDir: a run's start.json is created before anything else of that run,
	// so that a pruner knows what the run relies on. Then checkpoints.
	runsDir = "runs/"
	// keysDir: wraps of run keys, one file per recipient.
	keysDir = "keys/"
	// pointsDir: manifest.json commits a point, or fences a dead run off.
	pointsDir = "points/"
	// indexDir and packsDir: shared by points, found through manifests only.
	indexDir = "index/"
	packsDir = "packs/"
	// stateDir: what was decided about a point later; the highest number counts.
	stateDir = "state/"
	// proofsDir: what drills have found, at every point that they restored from;
	// each file is the proof of one drill.
	proofsDir = "proofs/"
	// leasesDir: who is writing; a renewal is the next term.
	leasesDir = "leases/"
	// logDir: who did what to the repository; each file is one entry.
	logDir = "log/"

	signatureSuffix = ".minisig"
	sealedSuffix    = ".zst.age"
	manifestName    = "manifest.json"
	detailsName     = "details.jsonl"
)

func recordPath(n int) string            { return repositoryDir + strconv.Itoa(n) + ".json" }
func digestKeyPath(fp string) string     { return repositoryDir + "digest.key." + fp + ".age" }
func startPath(run string) string        { return runsDir + run + "/start.json" }
func checkpointPrefix(run string) string { return runsDir + run + "/checkpoint-" }
func checkpointPath(run string, n int) string {
	return checkpointPrefix(run) + strconv.Itoa(n) + ".json"
}
func wrapPath(key, fp string) string    { return keysDir + key + "/" + fp + ".age" }
func pointDir(point string) string      { return pointsDir + point + "/" }
func manifestPath(point string) string  { return pointDir(point) + manifestName }
func segmentPath(id string) string      { return indexDir + id + ".jsonl" + sealedSuffix }
func segmentPacksPath(id string) string { return indexDir + id + ".packs.json" }
func packPath(id string) string         { return packsDir + id[:min(2, len(id))] + "/" + id + ".tar.age" }
func statePath(point string, n int) string {
	return stateDir + point + "/" + strconv.Itoa(n) + ".json"
}

func proofDir(point string) string { return proofsDir + point + "/" }

// ProofPath is where the proof of a drill stands at a point.
func ProofPath(point, drill string) string { return proofDir(point) + drill + ".json" }

// seriesNumber reads the number of a member of a numbered series from its name
// below the series' directory. Only the spelling that a writer uses counts.
func seriesNumber(name string) (int, bool) {
	digits, ok := strings.CutSuffix(name, ".json")
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil && n > 0 && strconv.Itoa(n) == digits
}

// lowerBase32 has no padding and one case, for names on any file system.
var lowerBase32 = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// randomName returns n random base32 characters.
func randomName(n int) string {
	b := make([]byte, (n*5+7)/8)
	rand.Read(b)
	return lowerBase32.EncodeToString(b)[:n]
}

const idTime = "20060102T150405Z"

var idPattern = regexp.MustCompile(`^[0-9]{8}T[0-9]{6}Z-[a-z2-7]{4}$`)

// newPointID returns an id that sorts by the time at which its run began.
func newPointID(at time.Time) string {
	return at.UTC().Format(idTime) + "-" + randomName(4)
}

// PointTime returns the time in a point's id: when its run began.
func PointTime(id string) (time.Time, error) {
	if !idPattern.MatchString(id) {
		return time.Time{}, fmt.Errorf("%q is not the id of a point", id)
	}
	t, err := time.Parse(idTime, id[:len(idTime)])
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is not the id of a point: %w", id, err)
	}
	return t, nil
}
