/* kvs.c - lookups and commits of libkvs, one by one and with several in flight. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bench.h"

#define KEY "bench.key"
#define VALUE "a value of thirty-two characters"

struct kvs { flux_t *h; int put; int left; int todo; };

static flux_future_t *begin (struct kvs *k)
{
    if (!k->put)
        return flux_kvs_lookup (k->h, NULL, 0, KEY);
    flux_kvs_txn_t *txn = flux_kvs_txn_create ();
    if (!txn || flux_kvs_txn_put (txn, 0, KEY, VALUE) < 0)
        die ("txn");
    flux_future_t *f = flux_kvs_commit (k->h, NULL, 0, txn);
    flux_kvs_txn_destroy (txn);
    return f;
}

static void end (struct kvs *k, flux_future_t *f)
{
    const char *s;
    int seq;
    if (k->put) {
        if (flux_kvs_commit_get_sequence (f, &seq) < 0)
            die ("commit");
    }
    else if (flux_kvs_lookup_get (f, &s) < 0 || strcmp (s, VALUE) != 0)
        die ("lookup");
    flux_future_destroy (f);
}

static void kvs_cb (flux_future_t *f, void *arg);
static void kvs_send (struct kvs *k)
{
    flux_future_t *f = begin (k);
    if (!f || flux_future_then (f, -1, kvs_cb, k) < 0)
        die ("kvs");
    k->todo--;
}

static void kvs_cb (flux_future_t *f, void *arg)
{
    struct kvs *k = arg;
    end (k, f);
    if (k->todo > 0)
        kvs_send (k);
    if (--k->left == 0)
        flux_reactor_stop (flux_get_reactor (k->h));
}

static void kvs_run (struct kvs *k, int depth, int n)
{
    k->todo = k->left = n;
    for (int i = 0; i < depth && k->todo > 0; i++)
        kvs_send (k);
    if (flux_reactor_run (flux_get_reactor (k->h), 0) < 0)
        die ("reactor");
}

void kvs (const char *op, int depth, int n)
{
    struct kvs k = { .h = xopen (), .put = 1 };
    struct meter m;
    char t[64];
    flux_future_t *f = begin (&k);
    if (!f)
        die ("commit");
    end (&k, f);
    k.put = !strcmp (op, "kvsput");
    snprintf (t, sizeof (t), "%s:%d", op, depth);
    if (depth > 1) {
        kvs_run (&k, depth, n / 10 + 1);
        meter_start (&m);
        kvs_run (&k, depth, n);
        meter_stop (&m, n, t, NULL);
    }
    else {
        double *lat = malloc (n * sizeof (double));
        for (int i = -n / 10; i < n; i++) {
            if (i == 0)
                meter_start (&m);
            double t0 = now ();
            if (!(f = begin (&k)))
                die ("kvs");
            end (&k, f);
            if (i >= 0)
                lat[i] = now () - t0;
        }
        double we = now (), ce = cpu_s ();
        qsort (lat, n, sizeof (double), dcmp);
        m.w += now () - we;
        m.c += cpu_s () - ce;
        meter_stop (&m, n, t, "\"p50_us\":%.2f,\"p99_us\":%.2f,\"min_us\":%.2f",
                    lat[n / 2] * 1e6, lat[(int)(n * 0.99)] * 1e6, lat[0] * 1e6);
        free (lat);
    }
    flux_close (k.h);
}
