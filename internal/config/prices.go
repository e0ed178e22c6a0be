package config

import "github.com/openim-dr/openim-dr/internal/quantity"

// Prices are what keeping costs, for estimates. There are no defaults: a provider's
// prices are known to whoever pays them.
type Prices struct {
	Currency string                    `yaml:"currency" jsonschema_description:"in which the prices are: USD"`
	PerMonth map[string]quantity.Price `yaml:"perMonth" jsonschema_description:"what a GiB costs in a month, by storage class: {standard: 0.020, archive: 0.0012}"`
}

// PricingOf returns what a storage class costs, or nil where it has no price.
func (c *Config) PricingOf(class string) *quantity.Pricing {
	if c.Prices == nil {
		return nil
	}
	price, known := c.Prices.PerMonth[class]
	if !known {
		return nil
	}
	return &quantity.Pricing{Currency: c.Prices.Currency, Price: price}
}

func (d *decoder) validatePrices(c *Config) {
	used := d.validateClass(c, "repository", c.Repository.StorageClass)
	for i, one := range c.Copies {
		used = d.validateClass(c, element("copies", i), one.StorageClass) || used
	}
	switch {
	case c.Prices == nil:
	case c.Prices.Currency == "":
		d.problem("prices", "it needs a currency")
	case len(c.Prices.PerMonth) == 0:
		d.problem("prices", "it needs perMonth: what a GiB costs, by storage class")
	case !used:
		d.problem("prices", "it would do nothing: neither the repository nor a copy says its storageClass")
	}
}

// validateClass reports whether a place says its storage class.
func (d *decoder) validateClass(c *Config, at, class string) bool {
	if class != "" && c.PricingOf(class) == nil {
		d.problem(child(at, "storageClass"), "prices.perMonth has no such class")
	}
	return class != ""
}
