package seed

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// Stores are the servers that hold a deployment. What is nil is left alone.
type Stores struct {
	DB         *sql.DB
	Schemas    Schemas
	S3         *s3.Client
	Bucket     string
	Kubernetes kubernetes.Interface
	Namespaces []string // as given to Kubernetes
}

// Change does what a day of use does to a seeded deployment: about one row and
// one object in a hundred is new, changed or gone, and one password is another.
// size is that of the seed; rounds count from 1 and differ from each other. The
// result counts what changed, and its markers are those that came with it.
func Change(ctx context.Context, stores Stores, size Size, round int) (Result, error) {
	c := change{population: newPopulation(size), round: round}
	if stores.DB != nil {
		err := onSession(ctx, stores.DB, func(s session) error { return c.rows(ctx, s, stores.Schemas.orDefault()) })
		if err != nil {
			return Result{}, fmt.Errorf("change rows: %w", err)
		}
	}
	if stores.S3 != nil {
		if err := c.objects(ctx, uploader{stores.S3, stores.Bucket}); err != nil {
			return Result{}, fmt.Errorf("change objects: %w", err)
		}
	}
	if stores.Kubernetes != nil {
		if err := c.cluster(ctx, stores.Kubernetes, stores.Namespaces[0]); err != nil {
			return Result{}, fmt.Errorf("change cluster: %w", err)
		}
	}
	return c.result, nil
}

// change is one round.
type change struct {
	*population
	round  int
	result Result
}

// count is how many rows or objects of so many a round touches.
func (c *change) count(total int) int64 { return int64(max(2, total/400)) }

// remark is the marker of this round.
func (c *change) remark() string { return marker(c.size.Seed, fmt.Sprintf("round%d", c.round)) }

// rows changes both schemas. Rows are chosen in the order of a key, so that the
// same ones are hit each time.
func (c *change) rows(ctx context.Context, s session, names Schemas) error {
	server, chat := quoteName(names.Server), quoteName(names.Chat)
	n := c.count(c.size.Rows)
	c.result.markers = append(c.result.markers, c.remark())
	statements := []string{
		fmt.Sprintf("UPDATE %s.users SET name = CONCAT('%s ', user_id) WHERE app_manger_level = 1 ORDER BY user_id DESC LIMIT %d", server, c.remark(), n),
		fmt.Sprintf("UPDATE %s.chat_logs SET content = CONCAT('{\"content\":\"%s ', server_msg_id, '\"}') ORDER BY server_msg_id DESC LIMIT %d", server, c.remark(), n),
		fmt.Sprintf("DELETE FROM %s.friends ORDER BY owner_user_id DESC, friend_user_id DESC LIMIT %d", server, n),
		fmt.Sprintf("DELETE FROM %s.chat_logs ORDER BY server_msg_id LIMIT %d", server, n),
		c.added(server, messageTable(c.population, 1), n, c.newMessage),
		c.added(chat, table{name: "user_login_records", columns: "user_id, login_time, ip, device_id, platform"}, n, c.fillLogin()),
		c.added(server, objectTable(c.population), c.newObjects(), c.newName),
	}
	if !c.size.Plain {
		statements = append(statements, fmt.Sprintf("INSERT INTO %s.fork_ledger (amount, quantity, doc) VALUES (1.5, %d, '{\"kind\":\"change\"}')", chat, c.round))
	}
	for _, statement := range statements {
		if statement == "" {
			continue
		}
		done, err := s.conn.ExecContext(ctx, statement)
		if err != nil {
			return fmt.Errorf("%s: %w", firstWords(statement), err)
		}
		rows, err := done.RowsAffected()
		if err != nil {
			return fmt.Errorf("%s: %w", firstWords(statement), err)
		}
		c.result.Rows += rows
	}
	return nil
}

// added is the INSERT of so many rows, "" for none.
func (c *change) added(schema string, t table, rows int64, fill func(*row)) string {
	if rows == 0 {
		return ""
	}
	t.fill = fill
	numbers := newStream(c.size.Seed, fmt.Sprintf("%s round %d", t.name, c.round))
	w := row{sql: []byte("INSERT INTO " + schema + "." + quoteName(t.name) + " (" + t.columns + ") VALUES")}
	for ; w.n < rows; w.n++ {
		if w.n > 0 {
			w.sql = append(w.sql, ',')
		}
		w.write(t, numbers)
	}
	return string(w.sql)
}

func (c *change) newMessage(w *row) {
	id := md5Hex(fmt.Sprintf("round %d message %d of %d", c.round, w.n, c.size.Seed))
	c.fillMessage(w, id, epoch.Add(time.Duration(c.round)*time.Hour))
}

// newObjects is how many media objects a round adds.
func (c *change) newObjects() int64 {
	return min(c.count(c.size.Objects), c.plan.media)
}

// newName is the row of an added object: the next generation of an existing one,
// sent under a name of its own.
func (c *change) newName(w *row) {
	o := c.plan.named(w.n)
	hash := o.hash(c.round)
	w.text(fmt.Sprintf("%s/msg_picture_round%d_%d.jpg", c.plan.owner(w.n), c.round, w.n))
	w.text(c.plan.owner(w.n))
	w.text(hash)
	w.text(hashPrefix + hash)
	w.number(o.size)
	w.text(o.contentType)
	w.text("")
	w.moment(epoch.Add(time.Duration(c.round) * time.Hour))
}

// objects adds media, overwrites some objects with others of the same size, and
// deletes some of what OpenIM deletes: thumbnails and unfinished uploads.
func (c *change) objects(ctx context.Context, u uploader) error {
	plan := c.plan
	for n := range c.newObjects() {
		if err := c.upload(ctx, u, plan.named(n)); err != nil {
			return err
		}
	}
	for n := range min(c.count(c.size.Objects), plan.nasty) {
		if err := c.upload(ctx, u, plan.object(n)); err != nil {
			return err
		}
	}
	return c.deleteObjects(ctx, u)
}

func (c *change) upload(ctx context.Context, u uploader, o object) error {
	c.result.Objects++
	c.result.ObjectBytes += o.size
	return u.upload(ctx, o, c.round)
}

// deleteObjects deletes the last objects that are neither media nor nasty; each
// round goes on where the one before ended.
func (c *change) deleteObjects(ctx context.Context, u uploader) error {
	plan, n := c.plan, c.count(c.size.Objects)
	skip := n * int64(c.round-1)
	for at := plan.count - 1; at >= plan.nasty && n > 0; at-- {
		o := plan.object(at)
		if o.class == media {
			continue
		}
		if skip--; skip >= 0 {
			continue
		}
		if _, err := u.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &u.bucket, Key: aws.String(o.key(0))}); err != nil {
			return fmt.Errorf("delete object %d: %w", at, err)
		}
		c.result.Objects++
		n--
	}
	return nil
}

// cluster changes one password and adds a ConfigMap.
func (c *change) cluster(ctx context.Context, client kubernetes.Interface, namespace string) error {
	secrets := client.CoreV1().Secrets(namespace)
	s, err := secrets.Get(ctx, "openim-mysql", metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("get secret openim-mysql: %w", err)
	}
	next := password(c.size.Seed, fmt.Sprintf("round %d", c.round))
	s.Data["mysql-password"] = []byte(next)
	if _, err := secrets.Update(ctx, s, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("update secret openim-mysql: %w", err)
	}
	added := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("round-%d", c.round)},
		Data:       map[string]string{"note": c.remark()},
	}
	if _, err := client.CoreV1().ConfigMaps(namespace).Create(ctx, added, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("create configmap %s: %w", added.Name, err)
	}
	c.result.Secrets++
	c.result.ConfigMaps++
	c.result.markers = append(c.result.markers, secretMarkers([]string{next})...)
	return nil
}
