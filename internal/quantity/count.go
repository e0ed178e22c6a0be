package quantity

import "fmt"

// Count says how many there are: "1 table", "2 tables".
func Count[N ~int | ~int64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
