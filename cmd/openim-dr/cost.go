package main

import (
	"github.com/openim-dr/openim-dr/internal/config"
	"github.com/openim-dr/openim-dr/internal/quantity"
	"github.com/openim-dr/openim-dr/internal/repository"
)

// pricing is what keeping costs in one place.
type pricing struct {
	currency string
	price    quantity.Price
}

// pricingOf is that of a storage class, or nil where the configuration has no price
// for it.
func pricingOf(c *config.Config, class string) *pricing {
	price, known := c.PriceOf(class)
	if !known {
		return nil
	}
	return &pricing{c.Prices.Currency, price}
}

// pricing is that of the place which the verb works on.
func (d *deployment) pricing() *pricing {
	if d.config == nil {
		return nil
	}
	for _, c := range d.config.Copies {
		if c.URL == d.url {
			return pricingOf(d.config, c.StorageClass)
		}
	}
	if d.config.Repository.URL != d.url {
		return nil
	}
	return pricingOf(d.config, d.config.Repository.StorageClass)
}

// monthly is what some bytes cost in a month; both are empty where that is not known.
type monthly struct {
	PerMonth *quantity.Money `json:"perMonth,omitempty"`
	Currency string          `json:"currency,omitempty"`
}

func (p *pricing) of(bytes int64) monthly {
	if p == nil {
		return monthly{}
	}
	money := p.price.Of(bytes)
	return monthly{&money, p.currency}
}

// text is the amount behind something that is said, or nothing.
func (m monthly) text() string {
	if m.PerMonth == nil {
		return ""
	}
	return m.PerMonth.String() + " " + m.Currency + " a month"
}

// listedCost is what one point costs.
type listedCost struct {
	repository.Cost
	monthly // of what it alone needs
}

// addCosts adds to lines of list what their points cost.
func addCosts(lines []listed, costs *repository.Costs, prices *pricing) {
	for i := range lines {
		if cost, known := costs.Points[lines[i].ID]; known {
			lines[i].Cost = &listedCost{cost, prices.of(cost.Exclusive)}
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
func writeCosts(p *page, c *repository.Costs, prices *pricing) {
	p.line("")
	total := prices.of(c.Stored).text()
	if total != "" {
		total = ", " + total
	}
	p.line("stored     %s in %s%s", size(c.Stored), plural(c.Files, "file"), total)
	p.line("exclusive  %s that one point alone needs", size(c.Exclusive))
	p.line("common     %s that several need", size(c.Common))
	p.line("rest       %s of records, decisions, proofs and the log, and of runs that failed", size(c.Rest))
}
