package seed

import (
	"fmt"
	"math/bits"
	"time"
)

const (
	day  = 24 * time.Hour
	year = 365 * day
)

// table says how one table is filled.
type table struct {
	name    string
	columns string
	rows    int64
	fill    func(w *row)
}

// serverTables are the tables of the schema openIM_v3. The number of rows of
// chat_logs is what the others leave of the whole, see newTables.
func serverTables(p *population) []table {
	members := share(p.size, 0.15, 120)
	friends := share(p.size, 0.12, 120)
	requests := share(p.size, 0.02, 60)
	joins := share(p.size, 0.01, 60)
	blacks := share(p.size, 0.005, 40)
	conversations := share(p.size, 0.08, 120)
	return []table{
		{"users", "user_id, name, face_url, ex, create_time, app_manger_level, global_recv_msg_opt", p.users, p.fillUser},
		{"friends", "owner_user_id, friend_user_id, remark, create_time, add_source, operator_user_id, ex", friends, p.fillFriend(friends)},
		{"friend_requests", "from_user_id, to_user_id, handle_result, req_msg, create_time, handler_user_id, handle_msg, handle_time, ex", requests, p.fillFriendRequest(requests)},
		{"blacks", "owner_user_id, block_user_id, create_time, add_source, operator_user_id, ex", blacks, p.fillBlack(blacks)},
		{"groups", "group_id, name, notification, introduction, face_url, create_time, ex, status, creator_user_id, group_type, need_verification, look_member_info, apply_member_friend, notification_update_time, notification_user_id", p.groups, p.fillGroup},
		{"group_members", "group_id, user_id, nickname, user_group_face_url, role_level, join_time, join_source, inviter_user_id, operator_user_id, mute_end_time, ex", members, p.fillMember(members)},
		{"group_requests", "user_id, group_id, handle_result, req_msg, handle_msg, req_time, handle_user_id, handle_time, join_source, inviter_user_id, ex", joins, p.fillGroupRequest(joins)},
		{"conversations", "owner_user_id, conversation_id, conversation_type, user_id, group_id, recv_msg_opt, is_pinned, is_private_chat, burn_duration, group_at_type, attached_info, ex, max_seq, min_seq, create_time, is_msg_destruct, msg_destruct_time, latest_msg_destruct_time", conversations, p.fillConversation(conversations)},
		{"logs", "log_id, platform, user_id, create_time, url, filename, system_type, version, ex", share(p.size, 0.005, 40), p.fillLog},
	}
}

func (p *population) fillUser(w *row) {
	w.text(p.user(w.n))
	if w.n < int64(len(managers)) {
		w.text(managers[w.n])
		w.text("")
		w.text("")
		w.moment(epoch.Add(-3 * year))
		w.number(2)
		w.number(0)
		return
	}
	w.label(p.nickname(w), 255)
	w.label(p.faceURL(w), 255)
	w.label("", 1024)
	w.moment(w.before(2 * year))
	w.number(1)
	w.number(w.Int64N(3))
}

func (p *population) fillFriend(total int64) func(*row) {
	return func(w *row) {
		owner, place := pair(w.n, total, p.users)
		w.text(p.user(owner))
		w.text(p.user((owner + place + 1) % p.users))
		w.label(p.nickname(w), 255)
		w.moment(w.before(2 * year))
		w.number(w.Int64N(8))
		w.text(p.user(owner))
		w.label("", 1024)
	}
}

func (p *population) fillFriendRequest(total int64) func(*row) {
	return func(w *row) {
		from, place := pair(w.n, total, p.users)
		to := (from + place + 3) % p.users
		w.text(p.user(from))
		w.text(p.user(to))
		w.number(w.Int64N(3) - 1)
		w.label(string(sentence(nil, w.Rand, 1, 8)), 255)
		w.moment(w.before(2 * year))
		w.text(p.user(to))
		w.label("", 255)
		w.sometime(w.before(year))
		w.label("", 1024)
	}
}

func (p *population) fillBlack(total int64) func(*row) {
	return func(w *row) {
		owner, place := pair(w.n, total, p.users)
		w.text(p.user(owner))
		w.text(p.user((owner + place + 7) % p.users))
		w.moment(w.before(year))
		w.number(w.Int64N(3))
		w.text(p.user(owner))
		w.label("", 1024)
	}
}

func (p *population) fillGroup(w *row) {
	w.text(p.group(w.n))
	w.label(string(sentence(nil, w.Rand, 1, 4)), 255)
	w.label(string(sentence(nil, w.Rand, 0, 10)), 255)
	w.label("", 255)
	w.label(p.faceURL(w), 255)
	w.moment(w.before(2 * year))
	p.fillGroupExtension(w)
	w.number(w.Int64N(4))
	w.text(p.user(w.Int64N(p.users)))
	w.number(2)
	w.number(w.Int64N(3))
	w.number(w.Int64N(2))
	w.number(w.Int64N(2))
	w.sometime(w.before(year))
	w.label("", 64)
}

// fillGroupExtension writes a longtext; the 37th group has one of a megabyte,
// which is more than a careless reader's line buffer holds.
func (p *population) fillGroupExtension(w *row) {
	if w.n != 36 {
		w.label("", 1<<30)
		return
	}
	b := make([]byte, 0, 1<<20+128)
	for len(b) < 1<<20 {
		b = append(sentence(b, w.Rand, 8, 8), '\n')
	}
	w.text(string(b))
}

func (p *population) fillMember(total int64) func(*row) {
	return func(w *row) {
		group, place := pair(w.n, total, p.groups)
		w.text(p.group(group))
		w.text(p.user((group*7 + place) % p.users))
		w.label(p.nickname(w), 255)
		w.label(p.faceURL(w), 255)
		w.number([]int64{100, 60, 20}[min(place, 2)])
		w.moment(w.before(2 * year))
		w.number(w.Int64N(5))
		w.text(p.user(w.Int64N(p.users)))
		w.text("")
		w.sometime(w.before(year))
		w.label("", 1024)
	}
}

func (p *population) fillGroupRequest(total int64) func(*row) {
	return func(w *row) {
		user, place := pair(w.n, total, p.users)
		w.text(p.user(user))
		w.text(p.group((user + place) % p.groups))
		w.number(w.Int64N(3) - 1)
		w.label(string(sentence(nil, w.Rand, 1, 12)), 1024)
		w.label("", 1024)
		w.moment(w.before(2 * year))
		w.label(p.user(w.Int64N(p.users)), 64)
		w.sometime(w.before(year))
		w.number(w.Int64N(5))
		w.text(p.user(w.Int64N(p.users)))
		w.label("", 1024)
	}
}

func (p *population) fillConversation(total int64) func(*row) {
	return func(w *row) {
		owner, place := pair(w.n, total, p.users)
		me := p.user(owner)
		w.text(me)
		if place%2 == 0 {
			other := p.user((owner + place + 1) % p.users)
			w.text("si_" + min(me, other) + "_" + max(me, other))
			w.number(1)
			w.text(other)
			w.text("")
		} else {
			group := p.group((owner + place) % p.groups)
			w.text([]string{"sg_", "n_"}[place/2%2] + group)
			w.number(3)
			w.text("")
			w.text(group)
		}
		w.number(w.Int64N(3))
		w.flag(w.IntN(10) == 0)
		w.flag(w.IntN(20) == 0)
		w.number(30)
		w.number(w.Int64N(4))
		w.label("", 1024)
		w.label("", 1024)
		w.number(w.Int64N(1 << 40))
		w.number(w.Int64N(100))
		w.moment(w.before(2 * year))
		w.flag(w.IntN(20) == 0)
		w.number(604800)
		w.sometime(w.before(year))
	}
}

func (p *population) fillLog(w *row) {
	w.text(fmt.Sprintf("%06d-%s", w.n, uuid(w.Rand)))
	w.label([]string{"iOS", "Android", "Windows", "Web"}[w.IntN(4)], 32)
	w.text(p.user(w.Int64N(p.users)))
	w.moment(w.before(year))
	w.label(p.faceURL(w), 1<<30)
	w.label(fmt.Sprintf("sdk_%d.log", w.n), 1<<30)
	w.label("", 1<<30)
	w.label("v3.3.2", 1<<30)
	w.label("", 1<<30)
}

// messageTable is chat_logs, by far the largest. Identifiers rise with the row
// as sending times do, as far as random numbers let them.
func messageTable(p *population, total int64) table {
	every := 2 * year / time.Duration(max(total, 1))
	return table{
		"chat_logs",
		"server_msg_id, client_msg_id, send_id, recv_id, sender_platform_id, sender_nick_name, sender_face_url, session_type, msg_from, content_type, content, status, send_time, create_time, ex",
		total,
		func(w *row) {
			sent := epoch.Add(-2*year + time.Duration(w.n)*every)
			p.fillMessage(w, messageID(w, uint64(w.n), uint64(total)), sent)
		},
	}
}

// messageID looks like the MD5 that OpenIM takes, but rises with n.
func messageID(w *row, n, total uint64) string {
	high, _ := bits.Div64(n, 0, total)
	return fmt.Sprintf("%016x%016x", high, w.Uint64())
}

func (p *population) fillMessage(w *row, id string, sent time.Time) {
	inGroup := w.IntN(3) > 0
	w.text(id)
	w.text(fmt.Sprintf("%016x%016x", w.Uint64(), w.Uint64()))
	w.text(p.user(w.Int64N(p.users)))
	if inGroup {
		w.text(p.group(w.Int64N(p.groups)))
	} else {
		w.text(p.user(w.Int64N(p.users)))
	}
	w.number(1 + w.Int64N(9))
	w.label(p.nickname(w), 255)
	w.label(p.faceURL(w), 255)
	w.number(map[bool]int64{true: 3, false: 1}[inGroup])
	w.number(100)
	if w.IntN(10) == 0 && p.plan.media > 0 {
		w.number(102)
		w.label(`{"sourcePicture":{"url":"https://im.example.com/api/object/`+p.plan.name(w.Int64N(p.plan.media))+`"}}`, 3000)
	} else {
		w.number(101)
		w.label(p.message(w), 3000)
	}
	w.number(2)
	w.moment(sent)
	w.moment(sent.Add(time.Duration(w.IntN(3000)) * time.Millisecond))
	w.label("", 1024)
}

// objectTable is `object`: what the bucket holds, under the names that users know.
func objectTable(p *population) table {
	return table{
		"object",
		"name, user_id, hash, `key`, size, content_type, cause, create_time",
		p.plan.names(),
		func(w *row) { p.fillObject(w, w.n, 0) },
	}
}

// fillObject writes the row of the n-th name in the given generation of contents.
func (p *population) fillObject(w *row, n int64, generation int) {
	o := p.plan.named(n)
	hash := o.hash(generation)
	w.text(p.plan.name(n))
	w.text(p.plan.owner(n))
	w.text(hash)
	w.text(hashPrefix + hash)
	w.number(o.size)
	w.label(o.contentType, 1<<30)
	w.label([]string{"", "msg-picture", "user-avatar"}[w.IntN(3)], 1<<30)
	w.moment(w.before(year))
}
