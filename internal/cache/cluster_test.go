package cache_test

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/testbed"
)

const slots = 16384

// startCluster starts a cluster of three masters with one password.
func startCluster(t *testing.T, env *testbed.Env) (nodes []*testbed.Redis, client *redis.ClusterClient) {
	t.Helper()
	const masters = 3
	for i := range masters {
		lines := []string{"cluster-enabled yes", "cluster-node-timeout 2000", "cluster-require-full-coverage yes"}
		if i > 0 {
			lines = append(lines, "requirepass "+nodes[0].Password)
		}
		node := env.StartRedis(t, lines...)
		if i > 0 {
			node.Password = nodes[0].Password
		}
		nodes = append(nodes, node)
	}
	for i, node := range nodes {
		admin := node.Open(t, 0)
		if err := admin.ClusterAddSlotsRange(t.Context(), i*slots/masters, (i+1)*slots/masters-1).Err(); err != nil {
			t.Fatal(err)
		}
		host, port, err := net.SplitHostPort(nodes[0].Address)
		if err != nil {
			t.Fatal(err)
		}
		if err := admin.ClusterMeet(t.Context(), host, port).Err(); i > 0 && err != nil {
			t.Fatal(err)
		}
	}
	for _, node := range nodes {
		awaitCluster(t, node, masters)
	}
	client = redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{nodes[0].Address}, Password: nodes[0].Password})
	t.Cleanup(func() { client.Close() })
	return nodes, client
}

// awaitCluster waits until a node sees the whole cluster.
func awaitCluster(t *testing.T, node *testbed.Redis, masters int) {
	t.Helper()
	admin := node.Open(t, 0)
	deadline := time.After(time.Minute)
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		info, err := admin.ClusterInfo(t.Context()).Result()
		if err == nil && strings.Contains(info, "cluster_state:ok") && strings.Contains(info, fmt.Sprintf("cluster_size:%d\r", masters)) {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("node %s does not see the whole cluster: %v, %s", node.Address, err, info)
		case <-ticker.C:
		}
	}
}

// follow makes a node a replica of another one, and waits until it says so.
func follow(t *testing.T, replica, master *testbed.Redis) {
	t.Helper()
	admin := replica.Open(t, 0)
	host, port, err := net.SplitHostPort(master.Address)
	if err != nil {
		t.Fatal(err)
	}
	if err := admin.ClusterMeet(t.Context(), host, port).Err(); err != nil {
		t.Fatal(err)
	}
	awaitCluster(t, replica, 3)
	id, err := master.Open(t, 0).ClusterMyID(t.Context()).Result()
	if err != nil {
		t.Fatal(err)
	}
	if err := admin.ClusterReplicate(t.Context(), id).Err(); err != nil {
		t.Fatal(err)
	}
	info, err := admin.Info(t.Context(), "replication").Result()
	if err != nil || !strings.Contains(info, "role:slave") {
		t.Fatalf("the node is no replica: %v, %s", err, info)
	}
}

func TestPurgeOfACluster(t *testing.T) {
	env := testbed.Need(t)
	nodes, client := startCluster(t, env)
	seed(t, client, kept...)
	want := clusterContent(t, nodes)
	seed(t, client, all(stale)...)
	const many = 3000
	for i := range many {
		if err := client.Set(t.Context(), fmt.Sprintf("FRIEND_IDS:many-%d", i), strconv.Itoa(i), 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, node := range nodes {
		if node.Open(t, 0).DBSize(t.Context()).Val() < many/10 {
			t.Fatalf("node %s holds hardly any keys: this is no test of a cluster", node.Address)
		}
	}
	wantCounts := sizes(stale)
	wantCounts["FRIEND_*"] += many
	// A replica leads to the masters.
	replica := env.StartRedis(t, "cluster-enabled yes", "requirepass "+nodes[0].Password, "masterauth "+nodes[0].Password)
	replica.Password = nodes[0].Password
	follow(t, replica, nodes[0])
	c := newCache(t, settings(t, replica), false)
	planned, err := c.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wantCounts, byPattern(planned, 0)); diff != "" {
		t.Errorf("planned (-want +got):\n%s", diff)
	}
	purged, err := c.Purge(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wantCounts, byPattern(purged, 0)); diff != "" {
		t.Errorf("purged (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, clusterContent(t, nodes)); diff != "" {
		t.Errorf("what is left (-want +got):\n%s", diff)
	}

	second := newCache(t, settings(t, nodes[0], 0, 1), false)
	_, err = second.Purge(t.Context())
	requireFault(t, second, err, fault.Usage, "a cluster, which has the one database")
}

// A cluster of which a part is lost is not purged in part without a word.
func TestAClusterThatIsNotWhole(t *testing.T) {
	env := testbed.Need(t)
	nodes, _ := startCluster(t, env)
	nodes[2].Kill(t)
	c := newCache(t, settings(t, nodes[0]), false)
	_, err := c.Purge(t.Context())
	if err == nil {
		t.Fatal("no error where a third of the keys is out of reach")
	}
	if e, ok := fault.Outermost(err); !ok || e.Kind != fault.Failed || e.Try == "" {
		t.Errorf("error %v, want a failure with a hint", err)
	}
}

func clusterContent(t *testing.T, nodes []*testbed.Redis) map[string]string {
	t.Helper()
	whole := map[string]string{}
	for _, node := range nodes {
		for key, value := range content(t, node.Open(t, 0)) {
			whole[key] = value
		}
	}
	return whole
}
