package openim

// derivedKeys are the keys in Redis or Dragonfly that OpenIM fills from MySQL or
// from the bucket when they are missing. They live for twelve hours or longer,
// and after a restore they tell of what is no more.
var derivedKeys = []string{
	// users, friends, friend_requests, blacks
	"USER_INFO:*", "USER_GLOBAL_RECV_MSG_OPT_KEY:*", "FRIEND_*", "COMMON_FRIENDS_IDS:*", "BLACK_IDS:*",
	// groups, group_members. Not GROUP_*: sequence numbers of version 2 begin so.
	"GROUP_INFO*", "GROUP_MEMBER*", "GROUP_ROLE_*", "GROUP_ADMIN_*", "GROUP_JOIN_*", "JOIN_*", "SUPER_GROUP_*",
	// conversations
	"CONVERSATION*", "RECV_MSG_OPT:*",
	// object
	"OBJECT:*",
	// The bucket. Who uploads what S3:* calls present uploads nothing.
	"S3:*", "MINIO:IMAGE:*", "MINIO:THUMBNAIL:*",
}

// messageKeys are filled from MongoDB, by conversation and sequence number:
// stale as soon as MongoDB goes back in time, and only then.
var messageKeys = []string{"MESSAGE_CACHE:*", "MSG_CACHE:*", "MESSAGE_DEL_USER_LIST:*", "USER_DEL_MESSAGES_LIST:*"}

// CacheKeys are the patterns of the keys that are stale after a restore of MySQL
// and the bucket; with messages also of those that are stale after MongoDB was
// restored, too. No key matches two of them.
func CacheKeys(messages bool) []string {
	keys := append([]string{}, derivedKeys...)
	if messages {
		keys = append(keys, messageKeys...)
	}
	return keys
}

// ProtectedKeys are the patterns of keys that are nowhere else, or ahead of
// what is: without them new messages overwrite old ones, and everybody has to
// log in again.
func ProtectedKeys() []string {
	return []string{
		// Sequence numbers, up to version 3.7.
		"MAX_SEQ:*", "MIN_SEQ:*", "CON_USER_MIN_SEQ:*", "HAS_READ_SEQ:*",
		// The same since version 3.8, where they run ahead of MongoDB.
		"MALLOC_SEQ:*", "MALLOC_MIN_SEQ:*", "SEQ_USER_MAX:*", "SEQ_USER_MIN:*", "SEQ_USER_READ:*",
		// The same in version 2.
		"REDIS_USER_INCR_SEQ:*", "REDIS_USER_MIN_SEQ:*", "GROUP_MAX_SEQ:*", "GROUP_MIN_SEQ:*", "GROUP_USER_MIN_SEQ:*",
		// Login tokens.
		"UID_PID_TOKEN_STATUS:*", "CHAT_UID_TOKEN_STATUS:*",
	}
}
