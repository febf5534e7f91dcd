/* calls.c - calls one by one and with several in flight. */
#include <stdio.h>
#include <stdlib.h>
#include "bench.h"

flux_t *xopen (void)
{
    flux_t *h = flux_open (NULL, 0);
    if (!h)
        die ("flux_open");
    return h;
}

void serial (flux_t *h, const char *topic, const char *payload, int n)
{
    double *lat = malloc (n * sizeof (double));
    struct meter m;
    const char *s;
    for (int i = -n / 10; i < n; i++) {
        if (i == 0)
            meter_start (&m);
        double t = now ();
        flux_future_t *f = flux_rpc (h, topic, payload, FLUX_NODEID_ANY, 0);
        if (!f || flux_rpc_get (f, &s) < 0)
            die (topic);
        flux_future_destroy (f);
        if (i >= 0)
            lat[i] = now () - t;
    }
    char t[128];
    snprintf (t, sizeof (t), "serial:%s", topic);
    meter_stop_latencies (&m, n, t, lat);
    free (lat);
}

/* one call in flight */
struct call {
    struct pipe *p;
    double start;
};

static void pipe_send (struct pipe *p, struct call *c)
{
    flux_future_t *f;
    if (p->lat)
        c->start = now ();
    if (p->raw)
        f = flux_rpc_raw (p->h, p->topic, p->raw, p->rawlen, FLUX_NODEID_ANY, 0);
    else
        f = flux_rpc (p->h, p->topic, p->payload, FLUX_NODEID_ANY, 0);
    if (!f || flux_future_then (f, -1, pipe_cb, c) < 0)
        die ("pipe");
    p->todo--;
}

void pipe_cb (flux_future_t *f, void *arg)
{
    struct call *c = arg;
    struct pipe *p = c->p;
    if (p->raw) {
        const void *d;
        size_t l;
        if (flux_rpc_get_raw (f, &d, &l) < 0 || l != p->rawlen)
            die ("rpc_get_raw");
    }
    else {
        const char *s;
        if (flux_rpc_get (f, &s) < 0)
            die ("rpc_get");
    }
    if (p->lat)
        p->lat[p->timed++] = now () - c->start;
    flux_future_destroy (f);
    if (p->todo > 0)
        pipe_send (p, c);
    if (--p->left == 0)
        flux_reactor_stop (flux_get_reactor (p->h));
}

void pipe_run (struct pipe *p, int depth, int n)
{
    p->todo = p->left = n;
    p->timed = 0;
    if (!(p->calls = calloc (depth, sizeof (*p->calls))))
        die ("calloc");
    for (int i = 0; i < depth && p->todo > 0; i++) {
        p->calls[i].p = p;
        pipe_send (p, &p->calls[i]);
    }
    if (flux_reactor_run (flux_get_reactor (p->h), 0) < 0)
        die ("reactor");
    free (p->calls);
}

void get_svc_stats (flux_t *h, const char *svc, double *cpu, double *count)
{
    char topic[128];
    snprintf (topic, sizeof (topic), "%s.stats", svc);
    flux_future_t *f = flux_rpc (h, topic, NULL, FLUX_NODEID_ANY, 0);
    if (!f || flux_rpc_get_unpack (f, "{s:F s:F}", "cpu_us", cpu, "count", count) < 0)
        die ("stats");
    flux_future_destroy (f);
}
