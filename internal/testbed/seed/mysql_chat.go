package seed

import (
	"fmt"
	"strconv"
	"time"
)

// chatTables are the tables of the schema openim_enterprise.
func chatTables(p *population) []table {
	logins := share(p.size, 0.04, 80)
	limits := share(p.size, 0.001, 20)
	return []table{
		{"accounts", "user_id, password, create_time, change_time, operator_user_id", p.users, p.fillAccount},
		{"attributes", "user_id, account, phone_number, area_code, email, nickname, face_url, gender, create_time, change_time, birth_time, level, allow_vibration, allow_beep, allow_add_friend, global_recv_msg_opt", p.users, p.fillAttribute},
		{"registers", "user_id, device_id, ip, platform, account_type, mode, create_time", p.users, p.fillRegister},
		{"user_login_records", "user_id, login_time, ip, device_id, platform", logins, p.fillLogin()},
		{"verify_codes", "id, account, platform, code, duration, count, used, create_time", share(p.size, 0.01, 60), p.fillVerifyCode},
		{"applets", "id, name, app_id, icon, url, md5, size, version, priority, status, create_time", 12, p.fillApplet},
		{"client_config", "`key`, value", int64(len(nastyTexts)) + 4, p.fillClientConfig},
		{"admins", "account, password, face_url, nickname, user_id, level, create_time", 4, p.fillAdmin},
		{"forbidden_accounts", "user_id, reason, operator_user_id, create_time", limits, p.fillForbidden},
		{"invitation_registers", "invitation_code, used_by_user_id, create_time", share(p.size, 0.001, 30), p.fillInvitation},
		{"ip_forbiddens", "ip, limit_register, limit_login, create_time", 25, fillForbiddenIP},
		{"limit_user_login_ips", "user_id, ip, create_time", limits, p.fillLoginLimit},
		{"register_add_friends", "user_id, create_time", 5, func(w *row) { w.text(p.user(w.n)); w.moment(w.before(year)) }},
		{"register_add_groups", "group_id, create_time", 5, func(w *row) { w.text(p.group(w.n)); w.moment(w.before(year)) }},
	}
}

func randomIP(w *row) string {
	if w.IntN(8) == 0 {
		return fmt.Sprintf("2001:db8::%x:%x", w.IntN(1<<16), w.IntN(1<<16))
	}
	return fmt.Sprintf("%d.%d.%d.%d", 1+w.IntN(223), w.IntN(256), w.IntN(256), w.IntN(256))
}

func platform(w *row) string {
	return []string{"iOS", "Android", "Windows", "OSX", "Web", "MiniWeb", "Linux", "AndroidPad", "IPad"}[w.IntN(9)]
}

// accountPassword is the MD5 of a password, as the chat service keeps it; those
// of the first users are markers.
func (p *population) accountPassword(n int64) string {
	return md5Hex(password(p.size.Seed, "account "+strconv.FormatInt(n, 10)))
}

func (p *population) fillAccount(w *row) {
	created := w.before(2 * year)
	w.text(p.user(w.n))
	w.text(p.accountPassword(w.n))
	w.moment(created)
	w.sometime(created.Add(day))
	w.label("", 64)
}

func (p *population) fillAttribute(w *row) {
	w.text(p.user(w.n))
	w.label(p.user(w.n), 64)
	w.label(strconv.FormatInt(13_000_000_000+w.Int64N(1_000_000_000), 10), 32)
	w.label("+86", 8)
	w.label(fmt.Sprintf("user%d@example.com", w.n), 64)
	w.label(cut(p.nickname(w), 64), 64)
	w.label(p.faceURL(w), 255)
	w.number(w.Int64N(3))
	w.moment(w.before(2 * year))
	w.sometime(w.before(year))
	w.sometime(epoch.Add(-time.Duration(w.Int64N(70)) * year))
	w.number(1 + w.Int64N(3))
	for range 3 {
		w.number(1 + w.Int64N(2))
	}
	w.number(w.Int64N(3))
}

func (p *population) fillRegister(w *row) {
	w.text(p.user(w.n))
	w.label(uuid(w.Rand), 255)
	w.text(randomIP(w))
	w.label(platform(w), 32)
	w.text([]string{"account", "phone", "email"}[w.IntN(3)])
	w.text("user")
	w.moment(w.before(2 * year))
}

// fillLogin writes each tenth row twice: the table has no key that forbids it.
func (p *population) fillLogin() func(*row) {
	return func(w *row) {
		n := w.n
		if n%10 == 9 {
			n--
		}
		again := row{Rand: newStream(p.size.Seed, "login").at(n), sql: w.sql, n: n}
		again.text(p.user(again.Int64N(p.users)))
		again.moment(again.before(year))
		again.text(randomIP(&again))
		again.label(uuid(again.Rand), 255)
		again.label(platform(&again), 32)
		w.sql = again.sql
	}
}

// verifyCodeID has gaps, begins with 0, which is no "next number" here, and ends
// beyond what a signed integer holds.
func verifyCodeID(n int64) uint64 {
	if n == 1 {
		return 1<<63 + 5
	}
	return uint64(n) * 3
}

func (p *population) fillVerifyCode(w *row) {
	w.literal(strconv.FormatUint(verifyCodeID(w.n), 10))
	w.label("+86 "+strconv.FormatInt(13_000_000_000+w.Int64N(1_000_000_000), 10), 64)
	w.label(platform(w), 32)
	w.text(fmt.Sprintf("%06d", w.IntN(1_000_000)))
	w.number(300)
	w.number(w.Int64N(6))
	w.flag(w.IntN(3) > 0)
	w.moment(w.before(year))
}

func (p *population) fillApplet(w *row) {
	w.text(uuid(w.Rand))
	w.label("applet "+strconv.FormatInt(w.n, 10), 64)
	w.text("app." + strconv.FormatInt(w.n, 10))
	w.label("", 255)
	w.label("https://im.example.com/applets/"+strconv.FormatInt(w.n, 10), 255)
	w.text(md5Hex(strconv.FormatInt(w.n, 10)))
	w.number(w.Int64N(1 << 40))
	w.label("1.0", 64)
	w.literal([]string{"0", "18446744073709551615", "9223372036854775808"}[w.n%3])
	w.literal([]string{"1", "2", "255"}[w.n%3])
	w.moment(w.before(year))
}

// fillClientConfig has each nasty text as a value that may not be NULL.
func (p *population) fillClientConfig(w *row) {
	w.text(fmt.Sprintf("key %02d", w.n))
	if w.n < int64(len(nastyTexts)) {
		w.text(nastyTexts[w.n])
		return
	}
	w.text(password(p.size.Seed, fmt.Sprintf("client_config %d", w.n)))
}

func (p *population) fillAdmin(w *row) {
	name := []string{"openIM123456", "openIM654321", "openIMAdmin", "auditor"}[w.n]
	w.text(name)
	w.text(md5Hex(password(p.size.Seed, "admin "+name)))
	w.label("", 255)
	w.text(name)
	w.text(name)
	w.number(100)
	w.moment(w.before(year))
}

func (p *population) fillForbidden(w *row) {
	w.text(p.user(p.users - 1 - w.n))
	w.label(string(sentence(nil, w.Rand, 2, 8)), 255)
	w.text("openIMAdmin")
	w.moment(w.before(year))
}

func (p *population) fillInvitation(w *row) {
	w.text(fmt.Sprintf("%06d%08x", w.n, w.Uint32()))
	w.label(p.user(w.Int64N(p.users)), 64)
	w.sometime(w.before(year))
}

func fillForbiddenIP(w *row) {
	w.text(fmt.Sprintf("198.51.100.%d", w.n))
	w.flag(w.IntN(2) == 0)
	w.flag(w.IntN(2) == 0)
	w.moment(w.before(year))
}

func (p *population) fillLoginLimit(w *row) {
	w.text(p.user(w.n))
	w.text(randomIP(w))
	w.moment(w.before(year))
}
