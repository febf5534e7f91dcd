//go:build race

package systemtest

// raceEnabled tells the long tests to be shorter.
const raceEnabled = true
