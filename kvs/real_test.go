package kvs_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
	"github.com/flux-sdk/flux/kvs"
)

// instance is what the embedded and a real instance are to these tests.
type instance interface {
	URIOf(rank uint32) string
}

// onBoth runs a test on the embedded broker and, where flux is installed, on a real instance, of four ranks each.
func onBoth(t *testing.T, f func(t *testing.T, b instance)) {
	t.Run("embedded", func(t *testing.T) { f(t, fluxtest.New(t, fluxtest.Size(4))) })
	t.Run("real", func(t *testing.T) { f(t, real(t)) })
}

// sharedReal is the real instance of all tests that break nothing in it. It starts with the first of them.
var sharedReal struct {
	once sync.Once
	tb   mainTB
	b    *fluxtest.RealBroker
}

// real returns the shared instance, or skips the test where there is no flux.
func real(t testing.TB) *fluxtest.RealBroker {
	t.Helper()
	if _, err := exec.LookPath("flux"); err != nil {
		return fluxtest.Real(t, 4) // which says what was not tested
	}
	sharedReal.once.Do(func() { sharedReal.b = fluxtest.Real(&sharedReal.tb, 4) })
	if sharedReal.b == nil {
		t.Fatalf("no real instance: %s", sharedReal.tb.failed)
	}
	return sharedReal.b
}

// mainTB stands for the run of all tests.
type mainTB struct {
	failed   string
	cleanups []func()
}

func (tb *mainTB) Helper()                           {}
func (tb *mainTB) Cleanup(f func())                  { tb.cleanups = append(tb.cleanups, f) }
func (tb *mainTB) Logf(format string, args ...any)   { fmt.Printf(format+"\n", args...) }
func (tb *mainTB) Errorf(format string, args ...any) { tb.failed += fmt.Sprintf(format+"\n", args...) }
func (tb *mainTB) Fatalf(format string, args ...any) { tb.Errorf(format, args...) }
func (tb *mainTB) Name() string                      { return "all tests" }
func (tb *mainTB) Failed() bool                      { return tb.failed != "" }

func TestMain(m *testing.M) {
	code := m.Run()
	for _, f := range sharedReal.tb.cleanups {
		f()
	}
	if sharedReal.tb.failed != "" {
		fmt.Println(sharedReal.tb.failed)
		code = 1
	}
	os.Exit(code)
}

// dial returns a client of a rank.
func dial(t testing.TB, b instance, rank uint32, opts ...flux.DialOption) *flux.Client {
	t.Helper()
	c, err := flux.Dial(t.Context(), b.URIOf(rank), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// open returns a new namespace and a client at rank 0.
func open(t testing.TB, b instance, opts ...flux.DialOption) (*kvs.Store, *flux.Client) {
	t.Helper()
	c := dial(t, b, 0, opts...)
	return kvs.Open(c, kvs.Namespace(newNamespace(t, c))), c
}

var namespaces = make(chan int, 1)

func init() { namespaces <- 0 }

// newNamespace makes a namespace that no other test uses.
func newNamespace(t testing.TB, c *flux.Client) string {
	t.Helper()
	n := <-namespaces
	namespaces <- n + 1
	name := fmt.Sprintf("test%d", n)
	if err := kvs.CreateNamespace(t.Context(), c, name); err != nil {
		t.Fatal(err)
	}
	return name
}

// bounded returns a context that ends before the test is given up.
func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}
