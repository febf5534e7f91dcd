/* service.c - the service that the programs call: echo, stream, hold, stats. */
#include <stdio.h>
#include <errno.h>
#include "bench.h"

static double svc_count;
static void echo_cb (flux_t *h, flux_msg_handler_t *mh, const flux_msg_t *msg, void *arg)
{
    const void *d;
    size_t l;
    if (flux_request_decode_raw (msg, NULL, &d, &l) < 0
        || flux_respond_raw (h, msg, d, l) < 0)
        die ("echo");
    svc_count++;
}
static void stream_cb (flux_t *h, flux_msg_handler_t *mh, const flux_msg_t *msg, void *arg)
{
    int n;
    if (flux_request_unpack (msg, NULL, "{s:i}", "n", &n) < 0)
        die ("stream unpack");
    for (int i = 0; i < n; i++)
        if (flux_respond (h, msg, "{\"seq\":12345}") < 0)
            die ("stream respond");
    if (flux_respond_error (h, msg, ENODATA, NULL) < 0)
        die ("stream end");
    svc_count += n;
}
static void hold_cb (flux_t *h, flux_msg_handler_t *mh, const flux_msg_t *msg, void *arg)
{
    svc_count++;
}
static void stats_cb (flux_t *h, flux_msg_handler_t *mh, const flux_msg_t *msg, void *arg)
{
    if (flux_respond_pack (h, msg, "{s:f s:f}", "cpu_us", cpu_s () * 1e6, "count", svc_count) < 0)
        die ("stats");
}
static void quit_cb (flux_t *h, flux_msg_handler_t *mh, const flux_msg_t *msg, void *arg)
{
    flux_respond (h, msg, NULL);
    flux_reactor_stop (flux_get_reactor (h));
}

void svc (const char *name)
{
    flux_t *h = xopen ();
    char t[5][128];
    const char *sfx[5] = { "echo", "stream", "hold", "stats", "quit" };
    for (int i = 0; i < 5; i++)
        snprintf (t[i], 128, "%s.%s", name, sfx[i]);
    struct flux_msg_handler_spec tab[] = {
        { FLUX_MSGTYPE_REQUEST, t[0], echo_cb, 0 },
        { FLUX_MSGTYPE_REQUEST, t[1], stream_cb, 0 },
        { FLUX_MSGTYPE_REQUEST, t[2], hold_cb, 0 },
        { FLUX_MSGTYPE_REQUEST, t[3], stats_cb, 0 },
        { FLUX_MSGTYPE_REQUEST, t[4], quit_cb, 0 },
        FLUX_MSGHANDLER_TABLE_END,
    };
    flux_msg_handler_t **hs;
    flux_future_t *f = flux_service_register (h, name);
    if (!f || flux_future_get (f, NULL) < 0)
        die ("service_register");
    flux_future_destroy (f);
    if (flux_msg_handler_addvec (h, tab, NULL, &hs) < 0)
        die ("addvec");
    printf ("ready\n");
    fflush (stdout);
    flux_reactor_run (flux_get_reactor (h), 0);
    flux_msg_handler_delvec (hs);
    flux_close (h);
}
