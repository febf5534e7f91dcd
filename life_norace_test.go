//go:build !race

package flux_test

// raceEnabled tells the long tests to be shorter.
const raceEnabled = false
