package config

import (
	_ "embed"
	"slices"
	"strings"
)

// Example is a commented file that is read without a problem.
//
//go:embed example.yaml
var Example string

// IsExample reports whether a public key is one of Example's, whose private
// halves nobody has.
func IsExample(key string) bool {
	return slices.Contains(strings.FieldsFunc(Example, func(r rune) bool { return strings.ContainsRune(" \n\t[]{},", r) }), key)
}
