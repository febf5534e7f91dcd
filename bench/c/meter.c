/* meter.c - time, CPU and memory, and the JSON line of a run. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <time.h>
#include <unistd.h>
#include <stdarg.h>
#include <dirent.h>
#include <sys/resource.h>
#include "bench.h"

void die (const char *s)
{
    fprintf (stderr, "bench-c: %s: %s\n", s, strerror (errno));
    exit (1);
}

double now (void)
{
    struct timespec ts;
    clock_gettime (CLOCK_MONOTONIC, &ts);
    return ts.tv_sec + 1e-9 * ts.tv_nsec;
}

double cpu_s (void)
{
    struct rusage ru;
    getrusage (RUSAGE_SELF, &ru);
    return ru.ru_utime.tv_sec + 1e-6 * ru.ru_utime.tv_usec
         + ru.ru_stime.tv_sec + 1e-6 * ru.ru_stime.tv_usec;
}

/* on-cpu time of the broker main thread and of connector-local */
static void broker_cpu (double *mainp, double *connp)
{
    static char mainpath[128], connpath[128];
    static int init;
    *mainp = *connp = 0;
    if (!init) {
        init = 1;
        const char *pid = getenv ("BENCH_BROKER_PID");
        char dir[64];
        DIR *d;
        struct dirent *e;
        if (!pid)
            return;
        snprintf (mainpath, sizeof (mainpath), "/proc/%s/task/%s/schedstat", pid, pid);
        snprintf (dir, sizeof (dir), "/proc/%s/task", pid);
        if (!(d = opendir (dir)))
            return;
        while ((e = readdir (d))) {
            char p[512], comm[64] = "";
            FILE *f;
            snprintf (p, sizeof (p), "%s/%s/comm", dir, e->d_name);
            if ((f = fopen (p, "r"))) {
                if (!fgets (comm, sizeof (comm), f))
                    comm[0] = 0;
                fclose (f);
            }
            if (!strncmp (comm, "connector-local", 15))
                snprintf (connpath, sizeof (connpath), "%.60s/%.30s/schedstat", dir, e->d_name);
        }
        closedir (d);
    }
    FILE *f;
    unsigned long long ns;
    if (mainpath[0] && (f = fopen (mainpath, "r"))) {
        if (fscanf (f, "%llu", &ns) == 1)
            *mainp = ns * 1e-9;
        fclose (f);
    }
    if (connpath[0] && (f = fopen (connpath, "r"))) {
        if (fscanf (f, "%llu", &ns) == 1)
            *connp = ns * 1e-9;
        fclose (f);
    }
}

void meter_start (struct meter *m)
{
    broker_cpu (&m->bm, &m->bc);
    m->c = cpu_s ();
    m->w = now ();
}

void meter_stop (struct meter *m, int n, const char *test, const char *fmt, ...)
{
    double w = now () - m->w, c = cpu_s () - m->c, bm, bc;
    va_list ap;
    broker_cpu (&bm, &bc);
    printf ("{\"impl\":\"c\",\"test\":\"%s\",\"n\":%d,\"ops\":%.1f,\"cpu_us\":%.3f,"
            "\"brk_main_us\":%.3f,\"brk_conn_us\":%.3f",
            test, n, n / w, c / n * 1e6, (bm - m->bm) / n * 1e6, (bc - m->bc) / n * 1e6);
    if (fmt) {
        printf (",");
        va_start (ap, fmt);
        vprintf (fmt, ap);
        va_end (ap);
    }
    printf ("}\n");
    fflush (stdout);
}

int dcmp (const void *a, const void *b)
{
    double x = *(double *)a, y = *(double *)b;
    return x < y ? -1 : x > y;
}

void meter_stop_latencies (struct meter *m, int n, const char *test, double *lat)
{
    struct meter unsorted = *m;
    double w = now (), c = cpu_s ();
    qsort (lat, n, sizeof (double), dcmp);
    unsorted.w += now () - w; /* sorting is not counted */
    unsorted.c += cpu_s () - c;
    meter_stop (&unsorted, n, test, "\"p50_us\":%.2f,\"p99_us\":%.2f,\"p999_us\":%.2f,\"min_us\":%.2f",
                lat[n / 2] * 1e6, lat[(int)(n * 0.99)] * 1e6, lat[(int)(n * 0.999)] * 1e6, lat[0] * 1e6);
}

long rss_kb (void)
{
    long a, b;
    FILE *f = fopen ("/proc/self/statm", "r");
    if (!f || fscanf (f, "%ld %ld", &a, &b) != 2)
        die ("statm");
    fclose (f);
    return b * (sysconf (_SC_PAGESIZE) / 1024);
}
