package openim

// BeforeByHand and AfterByHand are what somebody who restores without this
// program has to do around it, in order.

// BeforeByHand is about a deployment that still runs, or partly does.
func BeforeByHand() []string {
	return []string{
		"Stop what would start workloads again or scale them: GitOps, autoscalers. Note how many replicas each has.",
		"Scale to zero: msggateway, api and the chat servers; when Kafka's consumers have caught up, msgtransfer, push and all rpc services.",
		"MongoDB, which holds the messages of OpenIM 3.x, is restored by its own means, to the same time. This page does not bring it back.",
	}
}

// AfterByHand is what makes the restored state one that OpenIM can run on.
func AfterByHand() []string {
	return []string{
		"Dragonfly or Redis: where it survived, delete only what derives from MySQL (keys such as USER_INFO:, FRIEND_*, BLACK_IDS:, GROUP_*, CONVERSATION*). Never FLUSHALL: MAX_SEQ:, MIN_SEQ:, HAS_READ_SEQ: and the login tokens exist nowhere else.",
		"Where sequence numbers were lost, or are older than the messages: set each MAX_SEQ: to at least the highest in MongoDB before msgtransfer starts. Too high is harmless, too low overwrites messages.",
		"Replicas of the database: build them anew from the restored server, or let them follow it from its present position.",
		"Start the image tags as captured (others may alter the schema): rpc services first, then msgtransfer and push, then msggateway and api. Traffic comes last.",
		"Log in, read history, fetch an object, send a message.",
		"Take a new recovery point.",
	}
}
