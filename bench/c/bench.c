/* bench.c - the C libflux baseline of the comparison.
 * Each invocation runs one test and prints one JSON line.
 *
 *   bench-c serial TOPIC PAYLOAD N
 *   bench-c pipe TOPIC PAYLOAD DEPTH N
 *   bench-c lat TOPIC PAYLOAD DEPTH N     (pipe with the latency of each call)
 *   bench-c svc NAME                      (runs until NAME.quit)
 *   bench-c stream SVC N
 *   bench-c echo SVC SIZE DEPTH N
 *   bench-c pub DEPTH N
 *   bench-c sub N -- CMD...               (CMD sends the events)
 *   bench-c blast N                       (unconfirmed events)
 *   bench-c connect N
 *   bench-c mem SVC N
 *   bench-c rawecho SOCKPATH TOPIC PAYLOAD N   (no libflux handle; write+read, latency floor)
 */
#include <stdio.h>
#include <stdlib.h>
#include <stdint.h>
#include <string.h>
#include <errno.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <arpa/inet.h>
#include "bench.h"

struct strm { flux_t *h; int n; struct meter m; double first; };
static void strm_cb (flux_future_t *f, void *arg)
{
    struct strm *s = arg;
    const char *p;
    if (flux_rpc_get (f, &p) < 0) {
        if (errno != ENODATA)
            die ("stream");
        flux_future_destroy (f);
        flux_reactor_stop (flux_get_reactor (s->h));
        return;
    }
    s->n++;
    flux_future_reset (f);
}

static void pub_cb (flux_future_t *f, void *arg);
static void pub_send (struct pipe *p)
{
    flux_future_t *f = flux_event_publish (p->h, "bench.ev", 0, "{\"seq\":12345}");
    if (!f || flux_future_then (f, -1, pub_cb, p) < 0)
        die ("pub");
    p->todo--;
}
static void pub_cb (flux_future_t *f, void *arg)
{
    struct pipe *p = arg;
    int seq;
    if (flux_event_publish_get_seq (f, &seq) < 0)
        die ("pub get");
    flux_future_destroy (f);
    if (p->todo > 0)
        pub_send (p);
    if (--p->left == 0)
        flux_reactor_stop (flux_get_reactor (p->h));
}

struct sub { flux_t *h; int n, want; double t0, t1, c0, c1; };
static void sub_cb (flux_t *h, flux_msg_handler_t *mh, const flux_msg_t *msg, void *arg)
{
    struct sub *s = arg;
    const char *topic, *p;
    if (flux_event_decode (msg, &topic, &p) < 0)
        die ("event");
    if (s->n++ == 0) {
        s->t0 = now ();
        s->c0 = cpu_s ();
    }
    if (s->n == s->want) {
        s->t1 = now ();
        s->c1 = cpu_s ();
        flux_reactor_stop (flux_get_reactor (h));
    }
}

int main (int argc, char **argv)
{
    const char *cmd = argc > 1 ? argv[1] : "";
    flux_t *h;
    struct meter m;

    if (!strcmp (cmd, "serial") && argc == 5) {
        h = xopen ();
        serial (h, argv[2], argv[3], atoi (argv[4]));
        flux_close (h);
    }
    else if (!strcmp (cmd, "pipe") && argc == 6) {
        struct pipe p = { 0 };
        int depth = atoi (argv[4]), n = atoi (argv[5]);
        p.h = h = xopen ();
        p.topic = argv[2];
        p.payload = argv[3];
        pipe_run (&p, depth, n / 10);
        meter_start (&m);
        pipe_run (&p, depth, n);
        char t[128];
        snprintf (t, sizeof (t), "pipe:%s:%d", p.topic, depth);
        meter_stop (&m, n, t, NULL);
        flux_close (h);
    }
    else if (!strcmp (cmd, "lat") && argc == 6) {
        struct pipe p = { 0 };
        int depth = atoi (argv[4]), n = atoi (argv[5]);
        p.h = h = xopen ();
        p.topic = argv[2];
        p.payload = argv[3];
        pipe_run (&p, depth, n / 10);
        p.lat = malloc (n * sizeof (double));
        meter_start (&m);
        pipe_run (&p, depth, n);
        char t[128];
        snprintf (t, sizeof (t), "lat:%s:%d", p.topic, depth);
        meter_stop_latencies (&m, n, t, p.lat);
        flux_close (h);
    }
    else if (!strcmp (cmd, "svc") && argc == 3) {
        svc (argv[2]);
    }
    else if (!strcmp (cmd, "stream") && argc == 4) {
        struct strm s = { 0 };
        char topic[128], payload[64];
        double c0, n0, c1, n1;
        int n = atoi (argv[3]);
        s.h = h = xopen ();
        snprintf (topic, sizeof (topic), "%s.stream", argv[2]);
        snprintf (payload, sizeof (payload), "{\"n\":%d}", n);
        get_svc_stats (h, argv[2], &c0, &n0);
        meter_start (&m);
        flux_future_t *f = flux_rpc (h, topic, payload, FLUX_NODEID_ANY, FLUX_RPC_STREAMING);
        if (!f || flux_future_then (f, -1, strm_cb, &s) < 0)
            die ("stream");
        flux_reactor_run (flux_get_reactor (h), 0);
        struct meter m2 = m;
        double we = now (), ce = cpu_s ();
        get_svc_stats (h, argv[2], &c1, &n1);
        m2.w += now () - we;
        m2.c += cpu_s () - ce;
        if (s.n != n)
            die ("stream count");
        meter_stop (&m2, n, "stream", "\"svc_us\":%.3f", (c1 - c0) / (n1 - n0));
        flux_close (h);
    }
    else if (!strcmp (cmd, "echo") && argc == 6) {
        struct pipe p = { 0 };
        char topic[128], t[128];
        double c0, n0, c1, n1;
        int depth = atoi (argv[4]), n = atoi (argv[5]);
        p.h = h = xopen ();
        snprintf (topic, sizeof (topic), "%s.echo", argv[2]);
        p.topic = topic;
        p.rawlen = atoi (argv[3]);
        char *d = malloc (p.rawlen);
        memset (d, 'x', p.rawlen);
        p.raw = d;
        pipe_run (&p, depth, n / 10 + 1);
        get_svc_stats (h, argv[2], &c0, &n0);
        meter_start (&m);
        pipe_run (&p, depth, n);
        struct meter m2 = m;
        double we = now (), ce = cpu_s ();
        get_svc_stats (h, argv[2], &c1, &n1);
        m2.w += now () - we;
        m2.c += cpu_s () - ce;
        snprintf (t, sizeof (t), "echo:%s:%d", argv[3], depth);
        meter_stop (&m2, n, t, "\"svc_us\":%.3f,\"svc\":\"%s\"", (c1 - c0) / (n1 - n0), argv[2]);
        flux_close (h);
    }
    else if (!strcmp (cmd, "pub") && argc == 4) {
        int depth = atoi (argv[2]), n = atoi (argv[3]);
        char t[64];
        h = xopen ();
        snprintf (t, sizeof (t), "pub:%d", depth);
        if (depth == 1) {
            double *lat = malloc (n * sizeof (double));
            meter_start (&m);
            for (int i = 0; i < n; i++) {
                double t0 = now ();
                int seq;
                flux_future_t *f = flux_event_publish (h, "bench.ev", 0, "{\"seq\":12345}");
                if (!f || flux_event_publish_get_seq (f, &seq) < 0)
                    die ("publish");
                flux_future_destroy (f);
                lat[i] = now () - t0;
            }
            meter_stop_latencies (&m, n, t, lat);
        }
        else {
            struct pipe p = { 0 };
            p.h = h;
            p.todo = p.left = n;
            meter_start (&m);
            for (int i = 0; i < depth && p.todo > 0; i++)
                pub_send (&p);
            flux_reactor_run (flux_get_reactor (h), 0);
            meter_stop (&m, n, t, NULL);
        }
        flux_close (h);
    }
    else if (!strcmp (cmd, "blast") && argc == 3) {
        int n = atoi (argv[2]);
        h = xopen ();
        flux_msg_t *msg = flux_event_encode ("bench.sub", "{\"seq\":12345}");
        for (int i = 0; i < n; i++)
            if (flux_send (h, msg, 0) < 0)
                die ("send");
        /* fence, so that nothing is lost on close */
        flux_future_t *f = flux_rpc (h, "attr.get", "{\"name\":\"rank\"}", FLUX_NODEID_ANY, 0);
        const char *s;
        if (flux_rpc_get (f, &s) < 0)
            die ("fence");
        flux_future_destroy (f);
        flux_msg_destroy (msg);
        flux_close (h);
    }
    else if (!strcmp (cmd, "sub") && argc > 4) {
        struct sub s = { 0 };
        struct flux_match match = FLUX_MATCH_EVENT;
        s.h = h = xopen ();
        s.want = atoi (argv[2]);
        match.topic_glob = "bench.sub";
        if (flux_event_subscribe (h, "bench.sub") < 0)
            die ("subscribe");
        flux_msg_handler_t *mh = flux_msg_handler_create (h, match, sub_cb, &s);
        flux_msg_handler_start (mh);
        pid_t pid = fork ();
        if (pid == 0) {
            execvp (argv[4], argv + 4);
            die ("exec");
        }
        flux_reactor_run (flux_get_reactor (h), 0);
        waitpid (pid, NULL, 0);
        printf ("{\"impl\":\"c\",\"test\":\"sub\",\"n\":%d,\"ops\":%.1f,\"cpu_us\":%.3f}\n",
                s.want, (s.want - 1) / (s.t1 - s.t0), (s.c1 - s.c0) / (s.want - 1) * 1e6);
        flux_msg_handler_destroy (mh);
        flux_close (h);
    }
    else if (!strcmp (cmd, "connect") && argc == 3) {
        int n = atoi (argv[2]);
        double *lat = malloc (n * sizeof (double));
        meter_start (&m);
        for (int i = 0; i < n; i++) {
            double t = now ();
            const char *s;
            h = xopen ();
            flux_future_t *f = flux_rpc (h, "attr.get", "{\"name\":\"rank\"}", FLUX_NODEID_ANY, 0);
            if (!f || flux_rpc_get (f, &s) < 0)
                die ("attr.get");
            flux_future_destroy (f);
            flux_close (h);
            lat[i] = now () - t;
        }
        meter_stop_latencies (&m, n, "connect", lat);
    }
    else if (!strcmp (cmd, "mem") && argc == 4) {
        int n = atoi (argv[3]);
        char topic[128];
        snprintf (topic, sizeof (topic), "%s.hold", argv[2]);
        h = xopen ();
        flux_future_t **fs = calloc (n, sizeof (*fs));
        double dc, dn;
        get_svc_stats (h, argv[2], &dc, &dn);
        memset (fs, 0, n * sizeof (*fs));
        long r0 = rss_kb ();
        double t = now (), c = cpu_s ();
        for (int i = 0; i < n; i++) {
            if (!(fs[i] = flux_rpc (h, topic, "{\"seq\":12345}", FLUX_NODEID_ANY, 0)))
                die ("rpc");
            if (flux_future_then (fs[i], -1, pipe_cb, NULL) < 0)
                die ("then");
        }
        double dt = now () - t;
        dc = cpu_s () - c;
        printf ("{\"impl\":\"c\",\"test\":\"mem\",\"n\":%d,\"rss0_kb\":%ld,\"rss1_kb\":%ld,"
                "\"bytes_per\":%.0f,\"ops\":%.1f,\"cpu_us\":%.3f}\n",
                n, r0, rss_kb (), (rss_kb () - r0) * 1024. / n, n / dt, dc / n * 1e6);
        fflush (stdout);
        double dd;
        get_svc_stats (h, argv[2], &dd, &dn); /* fence */
        _exit (0);
    }
    else if (!strcmp (cmd, "rawecho") && argc == 6) {
        /* latency floor: one blocking write + one blocking read per op */
        struct sockaddr_un a = { .sun_family = AF_UNIX };
        int n = atoi (argv[5]);
        double *lat = malloc (n * sizeof (double));
        strncpy (a.sun_path, argv[2], sizeof (a.sun_path) - 1);
        int fd = socket (AF_UNIX, SOCK_STREAM, 0);
        char z;
        if (connect (fd, (struct sockaddr *)&a, sizeof (a)) < 0 || read (fd, &z, 1) != 1)
            die ("connect");
        flux_msg_t *msg = flux_request_encode (argv[3], argv[4]);
        flux_msg_set_matchtag (msg, 1);
        uint8_t buf[4096], rb[65536];
        size_t l = flux_msg_encode_size (msg);
        *(uint32_t *)buf = 0xffee0012;
        *(uint32_t *)(buf + 4) = htonl (l);
        flux_msg_encode (msg, buf + 8, l);
        for (int i = -n / 10; i < n; i++) {
            if (i == 0)
                meter_start (&m);
            double t = now ();
            if (write (fd, buf, l + 8) != l + 8)
                die ("write");
            int got = 0;
            while (got < 8 || got < 8 + ntohl (*(uint32_t *)(rb + 4))) {
                int k = read (fd, rb + got, sizeof (rb) - got);
                if (k <= 0)
                    die ("read");
                got += k;
            }
            if (i >= 0)
                lat[i] = now () - t;
        }
        char t[128];
        snprintf (t, sizeof (t), "rawserial:%s", argv[3]);
        meter_stop_latencies (&m, n, t, lat);
    }
    else {
        fprintf (stderr, "usage: see bench.c\n");
        return 2;
    }
    return 0;
}
