package otelflux

import (
	"context"
	"errors"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.38.0"

	"github.com/flux-sdk/flux"
)

// What the semantic conventions have no attribute for.
const (
	errnoKey     = attribute.Key("rpc.flux.errno")     // int: what a broker or service answered
	rankKey      = attribute.Key("rpc.flux.rank")      // int: the rank addressed, if one was
	streamingKey = attribute.Key("rpc.flux.streaming") // bool: many responses are expected
	responsesKey = attribute.Key("rpc.flux.responses") // int: responses of a stream
	useridKey    = attribute.Key("rpc.flux.userid")    // int: who sent a request
	endKey       = attribute.Key("rpc.flux.end")       // string: why an operation ended early without a failure
	topicKey     = attribute.Key("flux.topic")         // string: of a stream, or the prefix of a subscription
	messageKey   = attribute.Key("flux.message.type")  // string: request, response, event or control
)

var system = semconv.RPCSystemKey.String("flux")

// names are the attributes that say which method an operation is about.
func names(topic string) []attribute.KeyValue {
	service, method, _ := strings.Cut(topic, ".")
	return []attribute.KeyValue{system, semconv.RPCService(service), semconv.RPCMethod(method)}
}

// spanName is that of the conventions, SERVICE/METHOD.
func spanName(topic string) string {
	service, method, found := strings.Cut(topic, ".")
	if !found {
		return service
	}
	return service + "/" + method
}

// errorType puts an error into one of a small number of classes.
func errorType(err error) string {
	var remote *flux.Error
	var errno flux.Errno
	switch {
	case errors.As(err, &remote): // before all else: it is never a local failure
		return remote.Errno.Name()
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, flux.ErrConnLost):
		return "connection_lost"
	case errors.Is(err, flux.ErrClosed):
		return "client_closed"
	case errors.Is(err, flux.ErrSlowConsumer):
		return "slow_consumer"
	case errors.As(err, &errno):
		return errno.Name()
	}
	return semconv.ErrorTypeOther.Value.AsString()
}

// remoteErrno is the number that a response bore.
func remoteErrno(err error) (attribute.KeyValue, bool) {
	var remote *flux.Error
	if !errors.As(err, &remote) {
		return attribute.KeyValue{}, false
	}
	return errnoKey.Int(int(remote.Errno)), true
}

// answeredErrno is the number a handler's error is answered with.
func answeredErrno(err error) flux.Errno {
	var errno flux.Errno
	switch {
	case errors.As(err, &errno):
		return errno
	case errors.Is(err, context.DeadlineExceeded):
		return flux.ETIMEDOUT
	case errors.Is(err, context.Canceled):
		return flux.ECANCELED
	}
	return flux.EIO
}
