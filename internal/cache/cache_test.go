package cache_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/openim-dr/openim-dr/internal/cache"
	"github.com/openim-dr/openim-dr/internal/openim"
	"github.com/openim-dr/openim-dr/internal/secret"
	"github.com/openim-dr/openim-dr/internal/source"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

// stale are keys as OpenIM writes them, by the pattern that they belong to.
var stale = map[string][]string{
	"USER_INFO:*":                    {"USER_INFO:openIM123456", "USER_INFO:u:1"},
	"USER_GLOBAL_RECV_MSG_OPT_KEY:*": {"USER_GLOBAL_RECV_MSG_OPT_KEY:u1"},
	"FRIEND_*":                       {"FRIEND_IDS:u1", "FRIEND_INFO:u1-u2"},
	"COMMON_FRIENDS_IDS:*":           {"COMMON_FRIENDS_IDS:u1"},
	"BLACK_IDS:*":                    {"BLACK_IDS:u1"},
	"GROUP_INFO*":                    {"GROUP_INFO:g1"},
	"GROUP_MEMBER*":                  {"GROUP_MEMBER_IDS:g1", "GROUP_MEMBERS_HASH2:g1", "GROUP_MEMBER_INFO:g1-u1", "GROUP_MEMBER_NUM_CACHE:g1"},
	"GROUP_ROLE_*":                   {"GROUP_ROLE_LEVEL_MEMBER_IDS:g1-100"},
	"GROUP_ADMIN_*":                  {"GROUP_ADMIN_LEVEL_MEMBER_IDS:g1"},
	"GROUP_JOIN_*":                   {"GROUP_JOIN_MAX_VERSION:u1"},
	"JOIN_*":                         {"JOIN_GROUPS_KEY:u1", "JOIN_SUPER_GROUPS:u1"},
	"SUPER_GROUP_*":                  {"SUPER_GROUP_MEMBER_IDS:g1", "SUPER_GROUP_RECV_MSG_NOT_NOTIFY_USER_IDS:g1"},
	"CONVERSATION*":                  {"CONVERSATION:u1:si_u1_u2", "CONVERSATION_IDS:u1", "CONVERSATION_IDS_HASH:u1"},
	"RECV_MSG_OPT:*":                 {"RECV_MSG_OPT:u1:si_u1_u2"},
	"OBJECT:*":                       {"OBJECT:minio:u1/msg_picture_1.jpg"},
	"S3:*":                           {"S3:minio:openim/data/hash/0cc175b9c0f1b6a831c399e269772661"},
	"MINIO:IMAGE:*":                  {"MINIO:IMAGE:openim/data/hash/0cc175b9c0f1b6a831c399e269772661"},
	"MINIO:THUMBNAIL:*":              {"MINIO:THUMBNAIL:png:w100:h100:x"},
}

// ofMessages are stale where MongoDB was rolled back, too, and only then.
var ofMessages = map[string][]string{
	"MESSAGE_CACHE:*":          {"MESSAGE_CACHE:si_u1_u2_1", "MESSAGE_CACHE:sg_g1_7"},
	"MSG_CACHE:*":              {"MSG_CACHE:si_u1_u2:1"},
	"MESSAGE_DEL_USER_LIST:*":  {"MESSAGE_DEL_USER_LIST:si_u1_u2:1"},
	"USER_DEL_MESSAGES_LIST:*": {"USER_DEL_MESSAGES_LIST:si_u1_u2:u1"},
}

// kept are keys that a purge must not touch: the protected ones, what it knows
// nothing of, and what only looks like a key that is deleted.
var kept = []string{
	"MAX_SEQ:si_u1_u2", "MIN_SEQ:sg_g1", "CON_USER_MIN_SEQ:si_u1_u2u:u1", "HAS_READ_SEQ:u1:si_u1_u2",
	"UID_PID_TOKEN_STATUS:u1:IOS", "CHAT_UID_TOKEN_STATUS:u1",
	"MALLOC_SEQ:si_u1_u2", "MALLOC_MIN_SEQ:si_u1_u2", "SEQ_USER_MAX:si_u1_u2:u1", "SEQ_USER_MIN:si_u1_u2:u1", "SEQ_USER_READ:si_u1_u2:u1",
	"REDIS_USER_INCR_SEQ:u1", "REDIS_USER_MIN_SEQ:u1", "GROUP_MAX_SEQ:g1", "GROUP_MIN_SEQ:g1", "GROUP_USER_MIN_SEQ:g1:u1",
	"FCM_TOKEN:u1:2", "GETUI_TOKEN", "USER_BADGE_UNREAD_COUNT_SUM:u1", "SEND_MSG_FAILED_FLAG:1", "ONLINE:u1",
	"user_info:u1", "XUSER_INFO:u1", "USER_INFO", "other:program", "weird \n\x00\xff key",
}

// seed writes keys of every type, with and without a time to live.
func seed(t *testing.T, client redis.UniversalClient, keys ...string) {
	t.Helper()
	ctx := t.Context()
	for i, key := range keys {
		var err error
		switch i % 4 {
		case 0:
			err = client.Set(ctx, key, "value of "+key+"\x00\xff", 12*time.Hour).Err()
		case 1:
			err = client.HSet(ctx, key, "field", "value", "other", i).Err()
		case 2:
			err = client.SAdd(ctx, key, "a", "b", i).Err()
		default:
			err = client.ZAdd(ctx, key, redis.Z{Score: float64(i), Member: "m"}).Err()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func all(lists map[string][]string) []string {
	var keys []string
	for _, list := range lists {
		keys = append(keys, list...)
	}
	return keys
}

// content is every key of a database, serialised by the server itself, and
// whether it lives for ever.
func content(t *testing.T, client redis.UniversalClient) map[string]string {
	t.Helper()
	found := map[string]string{}
	keys, err := client.Keys(t.Context(), "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		dump, err := client.Dump(t.Context(), key).Result()
		if err != nil {
			t.Fatal(err)
		}
		left, err := client.TTL(t.Context(), key).Result()
		if err != nil {
			t.Fatal(err)
		}
		found[key] = fmt.Sprintf("%x, for ever %t", dump, left < 0)
	}
	return found
}

// settings name the password by a file of the test.
func settings(t *testing.T, server *testbed.Redis, databases ...int) cache.Settings {
	t.Helper()
	return cache.Settings{Name: "dragonfly", Address: server.Address, Password: reference(t, server.Password), Databases: databases}
}

func newCache(t *testing.T, s cache.Settings, messages bool) *cache.Cache {
	t.Helper()
	made, err := cache.New(s, cache.Keys{Delete: openim.CacheKeys(messages), Protect: openim.ProtectedKeys()})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func reference(t *testing.T, password string) secret.Ref {
	t.Helper()
	return secret.Ref("file:" + writeFile(t, "password", password+"\n"))
}

// byPattern returns counts other than 0.
func byPattern(counts []cache.Count, database int) map[string]int64 {
	found := map[string]int64{}
	for _, c := range counts {
		if c.Database == database && c.Keys != 0 {
			found[c.Pattern] = c.Keys
		}
	}
	return found
}

func sizes(lists ...map[string][]string) map[string]int64 {
	found := map[string]int64{}
	for _, list := range lists {
		for pattern, keys := range list {
			found[pattern] = int64(len(keys))
		}
	}
	return found
}

func TestPurgeDeletesWhatIsStaleAndNothingElse(t *testing.T) {
	server := testbed.Need(t).StartRedis(t)
	first, third, other := server.Open(t, 0), server.Open(t, 3), server.Open(t, 1)
	for _, client := range []*redis.Client{first, third, other} {
		seed(t, client, kept...)
		seed(t, client, all(ofMessages)...)
	}
	wantFirst, wantThird := content(t, first), content(t, third)
	seed(t, first, all(stale)...)
	seed(t, third, stale["USER_INFO:*"]...)
	seed(t, other, all(stale)...)
	wantOther := content(t, other)

	c := newCache(t, settings(t, server, 0, 3), false)
	planned, err := c.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sizes(stale), byPattern(planned, 0)); diff != "" {
		t.Errorf("planned for database 0 (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int64{"USER_INFO:*": 2}, byPattern(planned, 3)); diff != "" {
		t.Errorf("planned for database 3 (-want +got):\n%s", diff)
	}
	if n := len(content(t, first)); n != len(wantFirst)+len(all(stale)) {
		t.Errorf("the plan has changed something: %d keys", n)
	}

	purged, err := c.Purge(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(planned, purged); diff != "" {
		t.Errorf("purged otherwise than planned (-planned +purged):\n%s", diff)
	}
	for name, pair := range map[string]struct{ want, got map[string]string }{
		"0": {wantFirst, content(t, first)}, "3": {wantThird, content(t, third)}, "1, which is not configured,": {wantOther, content(t, other)},
	} {
		if diff := cmp.Diff(pair.want, pair.got); diff != "" {
			t.Errorf("database %s (-want +got):\n%s", name, diff)
		}
	}

	again, err := c.Purge(t.Context())
	if err != nil || len(byPattern(again, 0)) != 0 {
		t.Errorf("a second purge deleted %v, %v; want nothing", byPattern(again, 0), err)
	}
}

func TestMessagesAreDeletedByChoiceOnly(t *testing.T) {
	server := testbed.Need(t).StartRedis(t)
	client := server.Open(t, 0)
	seed(t, client, kept...)
	want := content(t, client)
	seed(t, client, all(ofMessages)...)
	seed(t, client, all(stale)...)
	purged, err := newCache(t, settings(t, server), true).Purge(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sizes(stale, ofMessages), byPattern(purged, 0)); diff != "" {
		t.Errorf("purged (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, content(t, client)); diff != "" {
		t.Errorf("what is left (-want +got):\n%s", diff)
	}
}

// Far more keys than one answer of a server holds, most of them others'.
func TestPurgeOfManyKeys(t *testing.T) {
	server := testbed.Need(t).StartRedis(t)
	client := server.Open(t, 0)
	const many = 20000
	pipe := client.Pipeline()
	for i := range many {
		pipe.Set(t.Context(), fmt.Sprintf("USER_INFO:%d", i), i, 0)
		pipe.Set(t.Context(), fmt.Sprintf("MAX_SEQ:si_%d", i), i, 0)
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	purged, err := newCache(t, settings(t, server), false).Purge(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int64{"USER_INFO:*": many}, byPattern(purged, 0)); diff != "" {
		t.Errorf("purged (-want +got):\n%s", diff)
	}
	if left := client.DBSize(t.Context()).Val(); left != many {
		t.Errorf("%d keys are left, want %d", left, many)
	}
}

// The testbed's own server is one as OpenIM has it.
func TestDoctorSaysThatACacheIsUsable(t *testing.T) {
	env := testbed.Need(t)
	c := newCache(t, settings(t, &testbed.Redis{Address: env.RedisAddress, Password: env.RedisPassword}), true)
	findings := c.Examine(t.Context())
	if len(findings) != 1 || findings[0].Severity != source.OK || !strings.Contains(findings[0].Evidence, "redis ") {
		t.Errorf("findings %+v, want one that is fine and names the version", findings)
	}
}
