/* bench.h - what the parts of bench-c share. */
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>
#include <flux/core.h>

/* meter.c */
void die (const char *s);
double now (void);
double cpu_s (void);
long rss_kb (void);
int dcmp (const void *a, const void *b);

struct meter { double w, c, bm, bc; };
void meter_start (struct meter *m);
void meter_stop (struct meter *m, int n, const char *test, const char *fmt, ...);
/* meter_stop with the percentiles of n latencies, which it sorts */
void meter_stop_latencies (struct meter *m, int n, const char *test, double *lat);

/* calls.c */
struct call;
struct pipe {
    flux_t *h;
    const char *topic;
    const char *payload;
    const void *raw;
    size_t rawlen;
    int left;
    int todo;
    double *lat;        /* of each call, if not NULL */
    int timed;          /* of them so far */
    struct call *calls; /* those in flight */
};
flux_t *xopen (void);
void serial (flux_t *h, const char *topic, const char *payload, int n);
void pipe_cb (flux_future_t *f, void *arg);
void pipe_run (struct pipe *p, int depth, int n);
void get_svc_stats (flux_t *h, const char *svc, double *cpu, double *count);

/* service.c */
void svc (const char *name);

#endif
