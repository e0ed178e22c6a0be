package openim

// Moment says when in a restore something is due.
type Moment string

// Moments, in their order.
const (
	BeforeStop    Moment = "before the workloads are stopped"
	EntryStopped  Moment = "between the first stage and the others"
	BeforeRelease Moment = "before the workloads are brought back"
	AfterRelease  Moment = "after the workloads are back"
)

// ByHand is a step of going back in time that nobody but an operator can take.
type ByHand struct {
	Topic string `json:"topic"` // stable, for scripts: "mongodb"
	When  Moment `json:"when"`
	Do    string `json:"do"`
	Why   string `json:"why"`
}

// StepsByHand are all of them, in the order in which they are due.
func StepsByHand() []ByHand {
	return []ByHand{
		{
			"gitops", BeforeStop,
			"suspend what brings workloads back: the automated sync of Argo CD, the reconciliation of Flux, scaled objects of KEDA; a HorizontalPodAutoscaler leaves a workload without replicas alone",
			"OpenIM would start in the midst of the restore, and write into what is being restored",
		},
		{
			"kafka-lag", EntryStopped,
			"where Kafka is alive, wait until the consumer groups redis, mongo and push have no lag (topics latestMsgToRedis, offlineMsgToMongoMysql, msgToPush) before msgtransfer and push stop",
			"messages that are still in Kafka would be written into the restored stores under numbers of their own",
		},
		{
			"mongodb", BeforeRelease,
			"restore MongoDB by other means, to the time of the recovery point",
			"OpenIM keeps the messages there: MySQL and buckets alone do not bring them back",
		},
		{
			"sequence-numbers", BeforeRelease,
			"where Redis or Dragonfly was lost, or is older than MongoDB, set MAX_SEQ:CONVERSATION of each conversation to at least the highest seq that MongoDB holds of it; too high is harmless",
			"msgtransfer would number new messages from too low on, and they would overwrite old ones",
		},
		{
			"kafka-offsets", BeforeRelease,
			"set the offsets of the consumer groups to the end of their topics (8 partitions each); where the topics are new, start msgtransfer and push before msggateway and api, as the release does",
			"an old offset replays messages under new numbers, and a new group begins with what comes after it",
		},
		{
			"message-cache", BeforeRelease,
			"where MongoDB was rolled back, delete the message caches too: MESSAGE_CACHE:* and what goes with it",
			"they would show messages that MongoDB no longer holds, for up to a day",
		},
		{
			"image-tags", BeforeRelease,
			"compare the image tags of OpenIM's workloads with those at the time of the recovery point",
			"a newer version alters the schemas when it starts, and an older one does not know those of a newer",
		},
		{
			"try", AfterRelease,
			"log in, read history, fetch a picture, send a message",
			"a comparison shows that the data are back, and only use shows that the service is",
		},
		{
			"dns", AfterRelease,
			"switch DNS last, and look at the certificate and the time to live of the record",
			"clients that come too early find a service that is not there yet, and remember it",
		},
	}
}
