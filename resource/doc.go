// Package resource has the sets of resources that Flux gives to jobs and instances, in the form R of RFC 20.
package resource
