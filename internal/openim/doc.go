// Package openim is the only package that knows OpenIM's own names: its
// tables and managers, the shape of its configuration, and what of a
// deployment a backup has to cover. It hard-wires no address and no name of a
// deployment: installations are adapted, so what is there is discovered.
package openim
