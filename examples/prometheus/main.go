// Prometheus exports what a client does, its Stats and Hooks, to Prometheus. With
// $FLUX_URI it serves /metrics until it is interrupted, pinging the broker to
// have something to show; without, it embeds a broker, scrapes itself once and
// exits. It is a module of its own. In the root of the repository:
//
//	go run -C examples/prometheus .
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"

	"github.com/flux-sdk/flux"
	"github.com/flux-sdk/flux/fluxtest"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:9464", "address to serve /metrics at")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	uri := os.Getenv("FLUX_URI")
	var err error
	if uri == "" {
		err = demo(ctx, os.Stdout)
	} else {
		err = export(ctx, uri, *listen, nil)
	}
	if err != nil {
		log.Fatal("prometheus: ", err)
	}
}

// export serves /metrics until ctx ends. ready, if not nil, is told the address.
func export(ctx context.Context, uri, listen string, ready func(addr string)) error {
	c := newCollector()
	registry := prometheus.NewRegistry()
	registry.MustRegister(c)
	client, err := flux.Dial(ctx, uri,
		flux.WithHooks(c.hooks()), flux.WithReconnect(flux.ReconnectPolicy{}))
	if err != nil {
		return err
	}
	defer client.Close()
	c.client.Store(client)

	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, landingPage)
	})
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "what the client does, for Prometheus, until Ctrl-C: http://%s/metrics\n", l.Addr())

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := server.Serve(l); err != http.ErrServerClosed {
			return err
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return server.Shutdown(closing)
	})
	group.Go(func() error { return work(ctx, client) })
	if ready != nil {
		ready(l.Addr().String())
	}
	return group.Wait()
}

// landingPage is what a browser shows at the root.
const landingPage = `<!DOCTYPE html>
<html lang="en"><head><title>Flux client exporter</title></head>
<body><h1>Flux client exporter</h1><p><a href="/metrics">Metrics</a></p></body></html>
`

// work stands for what the program is really for.
func work(ctx context.Context, client *flux.Client) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if err := ping(ctx, client); err != nil && ctx.Err() == nil {
			log.Print(err) // the connection may come back
		}
		select {
		case <-tick.C:
		case <-client.Done():
			return client.Err()
		case <-ctx.Done():
			return nil
		}
	}
}

func ping(ctx context.Context, client *flux.Client) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, err := client.Call(ctx, "broker.ping", map[string]int{"seq": 1})
	return err
}

// demo exports from an embedded broker, scrapes that until it shows something
// and copies it to w.
func demo(ctx context.Context, w io.Writer) error {
	broker, err := fluxtest.Start()
	if err != nil {
		return err
	}
	defer broker.Close()
	ctx, stop := context.WithTimeout(ctx, 30*time.Second)
	defer stop()
	var scraped error
	err = export(ctx, broker.URI(), "127.0.0.1:0", func(addr string) {
		defer stop()
		url := "http://" + addr + "/metrics"
		// Hooks are called a little after what they tell of.
		if scraped = scrapeUntil(ctx, url, "flux_client_connected 1\n", io.Discard); scraped == nil {
			scraped = scrapeUntil(ctx, url, "flux_client_responses_total 1\n", w)
		}
	})
	if scraped != nil {
		return scraped
	}
	return err
}

func scrapeUntil(ctx context.Context, url, want string, w io.Writer) error {
	for {
		text, err := scrape(ctx, url)
		if err != nil {
			return err
		}
		if strings.Contains(text, want) {
			_, err := io.WriteString(w, text)
			return err
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("waiting for %q: %w", want, ctx.Err())
		}
	}
}

func scrape(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, resp.Status)
	}
	return string(text), err
}
