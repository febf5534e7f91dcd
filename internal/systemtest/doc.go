// Package systemtest tests the client as a whole, by its public API: against the
// embedded broker, against recorded conversations, and against a real instance.
package systemtest
