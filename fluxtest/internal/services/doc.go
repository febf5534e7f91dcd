// Package services is the place of the broker's own services, a package each. They
// are written against package service, and fluxtest/services.go registers them.
package services
