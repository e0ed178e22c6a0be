package alert

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/openim-dr/openim-dr/internal/notify"
	"github.com/openim-dr/openim-dr/internal/repository"
	"github.com/openim-dr/openim-dr/internal/status"
)

// sorted are the notices in the order of what they are about.
func (t told) sorted() []repository.Notice {
	return slices.SortedFunc(maps.Values(t), func(a, b repository.Notice) int { return cmp.Compare(a.About, b.About) })
}

// parcel is a message on its way into the outbox.
type parcel struct {
	receiver string
	letter   notify.Letter
	done     func(error)
}

// tell puts into the outbox what is to be told now.
func (t *Teller) tell(now time.Time) {
	for _, p := range t.parcels(now) {
		t.put(p.receiver, p.letter, p.done) // which may call done, and that takes the lock
	}
}

func (t *Teller) parcels(now time.Time) (parcels []parcel) {
	t.mu.Lock()
	defer t.mu.Unlock()
	instance, rules := t.rules()
	all := t.concerns()
	t.see(all, now)
	for i := range rules {
		rule := &rules[i]
		if t.book != nil && t.read && t.report != nil {
			parcels = append(parcels, t.compare(rule, instance, t.told, all, now)...)
		}
		parcels = append(parcels, t.compare(rule, instance, t.toldOnce, t.alone, now)...)
	}
	return parcels
}

// concerns are all that there are now, but for those that every daemon tells.
func (t *Teller) concerns() map[string]Concern {
	all := map[string]Concern{}
	if t.report != nil {
		for _, reason := range t.report.Reasons {
			c, ok := OfReason(reason)
			if before, there := all[c.About]; ok && (!there || worse(c.Severity, before.Severity)) {
				all[c.About] = c
			}
		}
	}
	for _, more := range []map[string]Concern{t.shrunkBefore(), t.failed, t.happened} {
		maps.Copy(all, more)
	}
	return all
}

// see notes since when each concern is there.
func (t *Teller) see(all map[string]Concern, now time.Time) {
	there := func(name string) bool {
		_, here := all[name]
		_, alone := t.alone[name]
		return here || alone
	}
	maps.DeleteFunc(t.seen, func(name string, _ time.Time) bool { return !there(name) })
	for _, some := range []map[string]Concern{all, t.alone} {
		for name := range some {
			if _, known := t.seen[name]; !known {
				t.seen[name] = now
			}
		}
	}
}

// compare makes the messages to one receiver, of what he was told and what there is.
func (t *Teller) compare(rule *Rule, instance string, books map[string]told, concerns map[string]Concern, now time.Time) (parcels []parcel) {
	book := toldTo(books, rule.Receiver)
	tell, forget := decide(rule, book, concerns, t.seen, now)
	for _, name := range forget {
		delete(book, name)
		t.dirty = true
	}
	for name, c := range concerns { // what has become better is worth telling when it is worse again
		if notice, was := book[name]; was && worse(notice.Severity, c.Severity) {
			notice.Severity = c.Severity
			book[name] = notice
			t.dirty = true
		}
	}
	for _, n := range tell {
		key := pendingKey{rule.Receiver, n.concern.About}
		p := pending{occasion: n.occasion, severity: n.concern.Severity, occurrence: n.concern.Occurrence}
		before, waits := t.pending[key]
		if waits && (before == p || now.Before(before.notBefore)) {
			continue
		}
		t.pending[key] = p
		parcels = append(parcels, parcel{rule.Receiver, n.letter(instance, t.streams()), func(err error) { t.sent(key, p, n, books, err) }})
	}
	return parcels
}

func (t *Teller) streams() []status.Stream {
	if t.report == nil {
		return nil
	}
	return t.report.Streams
}

// sent notes what became of a message.
func (t *Teller) sent(key pendingKey, p pending, n news, books map[string]told, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now().UTC()
	if t.pending[key] == p { // and no later message has taken its place
		delete(t.pending, key)
		if err != nil {
			t.pending[key] = pending{notBefore: now.Add(againAfter)}
		}
	}
	if err != nil {
		return
	}
	book := toldTo(books, key.receiver)
	if n.occasion == over {
		delete(book, key.about)
	} else {
		book[key.about] = repository.Notice{
			Receiver: key.receiver, About: key.about, Severity: n.concern.Severity, Since: n.since.UTC(), Told: now, Occurrence: n.concern.Occurrence,
		}
	}
	t.dirty = true
	t.nudge()
}
