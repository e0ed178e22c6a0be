package restore

import (
	"context"
	"encoding/json"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/source"
)

// keptLost is a part that is lost as the journal keeps it.
type keptLost struct {
	source.Lost
	Names []string `json:"names"`
}

// sealLost makes of what is lost what the journal keeps of it: nil where nothing is.
func sealLost(ctx context.Context, from *repository.SourceReader, lost []source.Lost) ([]byte, error) {
	if len(lost) == 0 {
		return nil, nil
	}
	kept := make([]keptLost, len(lost))
	for i, l := range lost {
		kept[i] = keptLost{l, l.Names}
	}
	plain, err := json.Marshal(kept)
	if err != nil {
		return nil, err
	}
	return from.Seal(ctx, plain)
}

// damageOf begins the list of what a source has lost, with what an earlier process
// knows of it: what is loaded is not read again. It is nil where the restore does not
// keep going.
func (p *Plan) damageOf(ctx context.Context, from *repository.SourceReader) (*source.Damage, error) {
	var sealed []byte
	if p.request.Resumed != nil {
		sealed = p.request.Resumed.Lost(from.Name())
	}
	if sealed == nil && !p.request.KeepGoing {
		return nil, nil // nil is a Damage that tolerates nothing
	}
	damage := new(source.Damage)
	if sealed == nil {
		return damage, nil
	}
	plain, err := from.Unseal(ctx, sealed)
	if err != nil {
		return nil, err
	}
	var kept []keptLost
	if json.Unmarshal(plain, &kept) != nil { // its error could quote a key
		return nil, fault.New(fault.Corrupt, "read what restore "+p.Restore+" has lost", "it is not of the form that it should have")
	}
	for _, k := range kept {
		k.Lost.Names = k.Names
		damage.Add(k.Lost)
	}
	return damage, nil
}
