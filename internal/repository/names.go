package repository

import (
	"crypto/rand"
	"encoding/base32"
	"fmt"
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
	// ProbeDir: what the storage was tried with before a repository was made, and
	// could not be deleted by whoever tried it. It means nothing.
	ProbeDir = "probe/"

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

// The names of the format are judged by the million, and so without regexps.

// isID reports whether a name is the id of a point: 20261123T020000Z-abcd.
func isID(s string) bool {
	return len(s) == len(idTime)+5 && consists(s[:8], digit) && s[8] == 'T' && consists(s[9:15], digit) && s[15:17] == "Z-" &&
		consists(s[17:], base32Digit)
}

// isName reports whether a name is one of randomName(26).
func isName(s string) bool { return len(s) == 26 && consists(s, base32Digit) }

// isKey reports whether a name is that of a run key, a SHA-256.
func isKey(s string) bool { return len(s) == 64 && consists(s, hexDigit) }

// isFingerprint reports whether a name is that of a recipient.
func isFingerprint(s string) bool { return len(s) == 32 && consists(s, hexDigit) }

func consists(s string, of func(byte) bool) bool {
	for i := range len(s) {
		if !of(s[i]) {
			return false
		}
	}
	return true
}

func digit(c byte) bool       { return '0' <= c && c <= '9' }
func hexDigit(c byte) bool    { return digit(c) || 'a' <= c && c <= 'f' }
func base32Digit(c byte) bool { return 'a' <= c && c <= 'z' || '2' <= c && c <= '7' }

// newPointID returns an id that sorts by the time at which its run began.
func newPointID(at time.Time) string {
	return at.UTC().Format(idTime) + "-" + randomName(4)
}

// PointTime returns the time in a point's id: when its run began.
func PointTime(id string) (time.Time, error) {
	if !isID(id) {
		return time.Time{}, fmt.Errorf("%q is not the id of a point", id)
	}
	t, err := time.Parse(idTime, id[:len(idTime)])
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is not the id of a point: %w", id, err)
	}
	return t, nil
}
