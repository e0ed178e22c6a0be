package repository

import (
	"strconv"
	"strings"
)

// place is what a file is, as far as its name says.
type place int

const (
	nowhere place = iota // the format has no such name
	placeRecord
	placeDigestKey
	placeStart
	placeCheckpoint
	placeWrap
	placeManifest
	placePointFile
	placeSegment
	placeSegmentPacks
	placePack
	placeState
	placeProof
	placeRestore
	placeLease
	placeLog
	placeProbe
	placeSchedule
)

// located is a name of the format, taken apart.
type located struct {
	place     place
	owner     string // the point, run, key, lease or restore that it belongs to
	number    int64  // in a numbered series
	signature bool   // it is the .minisig of such a file
}

// series is what all members of a numbered series have in common.
func (l located) series() located { return located{place: l.place, owner: l.owner} }

// locate says what a file is by its name alone. Names that a writer would not
// use are nowhere: what stands there, nobody of the format has put there.
func locate(path string) located {
	file, signature := strings.CutSuffix(path, signatureSuffix)
	dir, rest, _ := strings.Cut(file, "/")
	find, known := finders[dir+"/"]
	if !known {
		return located{}
	}
	at := find(rest)
	if signature && !at.place.signed() {
		return located{}
	}
	at.signature = signature
	return at
}

// signed reports whether a signature may stand beside the file.
func (p place) signed() bool {
	return p == placeRecord || p == placeManifest || p == placeState || p == placeProof || p == placeLog
}

// finders take a name apart below each top directory.
var finders = map[string]func(rest string) located{
	repositoryDir: findRecord,
	runsDir:       findRun,
	keysDir:       findWrap,
	pointsDir:     findPoint,
	indexDir:      findSegment,
	packsDir:      findPack,
	stateDir:      findState,
	proofsDir:     findProof,
	leasesDir:     findLease,
	RestoresDir:   findRestore,
	logDir:        findLog,
	ProbeDir:      findProbe,
	schedulesDir:  findSchedule,
}

func findRecord(rest string) located {
	if n, ok := seriesNumber(rest); ok {
		return located{place: placeRecord, number: int64(n)}
	}
	if fp, ok := between(rest, "digest.key.", ".age"); ok && isFingerprint(fp) {
		return located{place: placeDigestKey, owner: fp}
	}
	return located{}
}

func findRun(rest string) located {
	run, name, _ := strings.Cut(rest, "/")
	if !isID(run) {
		return located{}
	}
	if name == "start.json" {
		return located{place: placeStart, owner: run}
	}
	numbered, ok := strings.CutPrefix(name, "checkpoint-")
	if n, isNumber := seriesNumber(numbered); ok && isNumber {
		return located{place: placeCheckpoint, owner: run, number: int64(n)}
	}
	return located{}
}

func findWrap(rest string) located {
	key, name, _ := strings.Cut(rest, "/")
	fp, ok := strings.CutSuffix(name, ".age")
	if !ok || !isKey(key) || !isFingerprint(fp) {
		return located{}
	}
	return located{place: placeWrap, owner: key}
}

func findPoint(rest string) located {
	point, name, _ := strings.Cut(rest, "/")
	if !isID(point) {
		return located{}
	}
	if name == manifestName {
		return located{place: placeManifest, owner: point}
	}
	_, _, below := strings.Cut(name, "/")
	sealed, list := strings.HasSuffix(name, sealedSuffix), strings.HasSuffix(name, ".json") || strings.HasSuffix(name, "/"+objectsName)
	if name == detailsName+sealedSuffix || below && (sealed || list) {
		return located{place: placePointFile, owner: point}
	}
	return located{}
}

func findSegment(rest string) located {
	if id, ok := strings.CutSuffix(rest, ".jsonl"+sealedSuffix); ok && isName(id) {
		return located{place: placeSegment, owner: id}
	}
	if id, ok := strings.CutSuffix(rest, ".packs.json"); ok && isName(id) {
		return located{place: placeSegmentPacks, owner: id}
	}
	return located{}
}

func findPack(rest string) located {
	_, name, _ := strings.Cut(rest, "/")
	id, ok := strings.CutSuffix(name, ".tar.age")
	if !ok || !isName(id) || packPath(id) != packsDir+rest {
		return located{}
	}
	return located{place: placePack, owner: id}
}

func findState(rest string) located {
	point, name, _ := strings.Cut(rest, "/")
	if n, ok := seriesNumber(name); ok && isID(point) {
		return located{place: placeState, owner: point, number: int64(n)}
	}
	return located{}
}

func findProof(rest string) located {
	point, name, _ := strings.Cut(rest, "/")
	drill, ok := strings.CutSuffix(name, ".json")
	if !ok || !isID(point) || !isID(drill) {
		return located{}
	}
	return located{place: placeProof, owner: point}
}

func findLease(rest string) located {
	slash := strings.LastIndexByte(rest, '/')
	if slash <= 0 {
		return located{}
	}
	n, err := strconv.ParseInt(strings.TrimSuffix(rest[slash+1:], ".json"), 10, 64)
	if err != nil || n <= 0 || leaseTermPath(rest[:slash], n) != leasesDir+rest {
		return located{}
	}
	return located{place: placeLease, owner: rest[:slash], number: n}
}

func findRestore(rest string) located {
	restore, n, ok := RestoreOf(RestoresDir + rest)
	if !ok || n <= 0 {
		return located{}
	}
	return located{place: placeRestore, owner: restore, number: n}
}

func findProbe(rest string) located {
	try, name, _ := strings.Cut(rest, "/")
	if !isName(try) || name != "turn" && name != "race" {
		return located{}
	}
	return located{place: placeProbe, owner: try}
}

// between returns what stands between a prefix and a suffix.
func between(s, prefix, suffix string) (string, bool) {
	s, begins := strings.CutPrefix(s, prefix)
	s, ends := strings.CutSuffix(s, suffix)
	return s, begins && ends
}
