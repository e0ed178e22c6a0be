package main

import (
	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/repository"
)

// pricing is that of the place which the verb works on.
func (d *deployment) pricing() *quantity.Pricing {
	if d.config == nil {
		return nil
	}
	for _, c := range d.config.Copies {
		if c.URL == d.url {
			return d.config.PricingOf(c.StorageClass)
		}
	}
	if d.config.Repository.URL != d.url {
		return nil
	}
	return d.config.PricingOf(d.config.Repository.StorageClass)
}

// listedCost is what one point costs.
type listedCost struct {
	repository.Cost
	quantity.Monthly // of what it alone needs
}

// addCosts adds to lines of list what their points cost.
func addCosts(lines []listed, costs *repository.Costs, prices *quantity.Pricing) {
	for i := range lines {
		if cost, known := costs.Points[lines[i].ID]; known {
			lines[i].Cost = &listedCost{cost, prices.Of(cost.Exclusive)}
		}
	}
}

// costCells are those of a line of list.
func (l listed) costCells() []any {
	if l.Cost == nil {
		return []any{"", "", "", ""}
	}
	perMonth := ""
	if l.Cost.PerMonth != nil {
		perMonth = l.Cost.PerMonth.String()
	}
	return []any{size(l.Cost.Own), size(l.Cost.Shared), size(l.Cost.Exclusive), perMonth}
}

// writeCosts sums up what the repository takes.
func writeCosts(p *page, c *repository.Costs, prices *quantity.Pricing) {
	p.line("")
	total := prices.Of(c.Stored).Text()
	if total != "" {
		total = ", " + total
	}
	p.line("stored     %s in %s%s", size(c.Stored), plural(c.Files, "file"), total)
	p.line("exclusive  %s that one point alone needs", size(c.Exclusive))
	p.line("common     %s that several need", size(c.Common))
	p.line("rest       %s of records, decisions, proofs and the log, and of runs that failed", size(c.Rest))
}
