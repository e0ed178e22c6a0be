// Package spelling finds what was meant by a word that is misspelt.
package spelling

import (
	"cmp"
	"slices"
)

// Nearest returns the name that takes the fewest changes of letters; there must be
// one.
func Nearest(typed string, names []string) string {
	return slices.MinFunc(names, func(a, b string) int { return cmp.Compare(distance(typed, a), distance(typed, b)) })
}

// Meant returns the nearest name where it is near enough to be what was meant: a
// third of its letters may differ.
func Meant(typed string, names []string) (name string, ok bool) {
	if len(names) == 0 {
		return "", false
	}
	name = Nearest(typed, names)
	return name, 3*distance(typed, name) <= len(name)
}

// distance is how many letters must be added, dropped or changed to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1) // of the beginnings of b, from the letters of a so far
	for i := range row {
		row[i] = i
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			changed := diagonal
			if a[i] != b[j] {
				changed++
			}
			diagonal = row[j+1]
			row[j+1] = min(changed, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
