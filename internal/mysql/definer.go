package mysql

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/openim-dr/openim-dr/internal/fault"
	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/source"
)

// definerClause is where SHOW CREATE names the definer: before anything that a
// user has written.
var definerClause = regexp.MustCompile("^(?s:CREATE )(?:ALGORITHM=\\w+ )?DEFINER=`(?:[^`]|``)*`@`(?:[^`]|``)*`")

// definerPlanner applies the policy for definers that the target lacks to the
// definitions that will be restored: what is planned is what is created, and
// what is compared.
type definerPlanner struct {
	server  *Server
	r       *restoration
	me      accountName
	there   map[accountName]bool
	missing map[accountName]int // objects
}

// planDefiners finds objects whose definer will not be there.
func (c *client) planDefiners(ctx context.Context, plan *source.Plan, r *restoration) error {
	p := &definerPlanner{server: c.server, r: r, there: map[accountName]bool{}, missing: map[accountName]int{}}
	if !r.hasObjects() {
		return nil
	}
	err := p.look(ctx, c)
	if isDenied(err) {
		// Where it has to be known, the privilege is missing, and that is said.
		r.definersUnseen = true
		plan.Warnings = append(plan.Warnings, "whether the definers of views, routines, triggers and events exist at the target is not known: the account may not read mysql.user")
		return nil
	}
	if err != nil {
		return err
	}
	for _, schema := range r.schemas {
		if err := p.apply(schema); err != nil {
			return err
		}
	}
	if len(p.missing) > 0 && p.keeps() {
		plan.Warnings = append(plan.Warnings, p.warning())
	}
	return nil
}

func (p *definerPlanner) keeps() bool {
	return p.server.settings.Definers == "" || p.server.settings.Definers == KeepDefiner
}

// look asks which accounts there are, and adds those that will be.
func (p *definerPlanner) look(ctx context.Context, c *client) error {
	records, err := queryRecords(ctx, c, "SELECT User AS user, Host AS host FROM mysql.user")
	if err != nil {
		return err
	}
	for _, r := range records {
		p.there[accountName{r.text("user"), r.text("host")}] = true
	}
	for _, a := range p.r.accounts {
		if a.isMade() {
			p.there[a.accountName] = true
		}
	}
	p.me, err = currentAccount(ctx, c)
	return err
}

// apply changes or leaves out what the policy says.
func (p *definerPlanner) apply(schema *schemaPlan) error {
	for _, list := range []*[]object{&schema.Routines, &schema.Views, &schema.Triggers, &schema.Events} {
		var kept []object
		for _, o := range *list {
			definer := parseAccountName(o.Definer)
			if p.there[definer] {
				kept = append(kept, o)
				continue
			}
			p.missing[definer]++
			label := strings.ToLower(o.Type) + " " + schema.Name + "." + o.Name
			switch p.server.settings.Definers {
			case SkipDefiner:
				schema.incomplete = true
				p.r.deviate(label, "left out", "its definer "+definer.String()+" does not exist at the target")
				continue
			case CurrentUserDefiner:
				if err := o.redefine(p.me); err != nil {
					return fmt.Errorf("%s: %w", label, err)
				}
				p.r.deviate(label, "definer", "its definer "+definer.String()+" does not exist at the target: it is defined by "+p.me.String())
			default:
				o.orphan = true
			}
			kept = append(kept, o)
		}
		*list = kept
	}
	return nil
}

// redefine gives an object another definer.
func (o *object) redefine(definer accountName) error {
	at := definerClause.FindIndex(o.Create)
	if at == nil {
		return fault.New(fault.Corrupt, "change the definer", "the definition does not name one where it should")
	}
	head := string(o.Create[:at[1]])
	head = head[:strings.Index(head, "DEFINER=")] + "DEFINER=" + definer.quoted()
	o.Create = append(sqlText(head), o.Create[at[1]:]...)
	o.Definer = definer.User + "@" + definer.Host
	return nil
}

func (p *definerPlanner) warning() string {
	objects := 0
	var names []string
	for name, n := range p.missing {
		objects += n
		names = append(names, name.String())
	}
	slices.Sort(names)
	return fmt.Sprintf("%s at the target (%s), and %s when used; definers: current-user or skip would change that",
		quantity.Count(len(names), "definer does not exist", "definers do not exist"), shorten(names), quantity.Count(objects, "object that is created so fails", "objects that are created so fail"))
}

func (r *restoration) hasObjects() bool {
	return slices.ContainsFunc(r.schemas, func(schema *schemaPlan) bool { return len(schema.objects()) > 0 })
}

// leaveOut gives up a view that needs something that was left out.
func (l *load) leaveOut(schema *schemaPlan, view object) {
	schema.Views = slices.DeleteFunc(schema.Views, func(o object) bool { return o.Name == view.Name })
	l.plan.deviate("view "+schema.Name+"."+view.Name, "left out", "it refers to something that was left out, since its definer does not exist at the target")
}
