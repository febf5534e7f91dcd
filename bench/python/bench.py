"""bench.py - the baseline of the Flux Python bindings: serial and pipelined RPC.

  bench.py serial TOPIC PAYLOAD N
  bench.py pipe TOPIC PAYLOAD DEPTH N
  bench.py kvsget|kvsput N
Run with `flux python bench.py ...`. One JSON line per run.
"""
import json
import os
import resource
import sys
import time

import flux


def brk():
    pid = os.environ.get("BENCH_BROKER_PID")
    r = [0.0, 0.0]
    if not pid:
        return r
    d = f"/proc/{pid}/task"
    for t in os.listdir(d):
        try:
            comm = open(f"{d}/{t}/comm").read().strip()
            if t != pid and not comm.startswith("connector-local"):
                continue
            v = int(open(f"{d}/{t}/schedstat").read().split()[0]) / 1e3
        except OSError:
            continue
        r[0 if t == pid else 1] = v
    return r


def cpu():
    ru = resource.getrusage(resource.RUSAGE_SELF)
    return (ru.ru_utime + ru.ru_stime) * 1e6


def report(test, n, w, c, b0, **kw):
    b1 = brk()
    o = dict(impl="python", test=test, n=n, ops=n / w, cpu_us=c / n,
             brk_main_us=(b1[0] - b0[0]) / n, brk_conn_us=(b1[1] - b0[1]) / n)
    o.update(kw)
    print(json.dumps(o), flush=True)


def kvs(h, cmd, n):
    """Serial lookups or commits with the functions of flux.kvs."""
    import flux.kvs
    flux.kvs.put(h, "bench.key", "a value of thirty-two characters")
    flux.kvs.commit(h)

    def once():
        if cmd == "kvsput":
            flux.kvs.put(h, "bench.key", "a value of thirty-two characters")
            flux.kvs.commit(h)
        else:
            flux.kvs.get(h, "bench.key")

    for _ in range(n // 10):
        once()
    lat = []
    b0 = brk()
    c, w = cpu(), time.monotonic()
    for _ in range(n):
        t = time.monotonic()
        once()
        lat.append(time.monotonic() - t)
    w, c = time.monotonic() - w, cpu() - c
    lat.sort()
    report(cmd + ":1", n, w, c, b0, p50_us=lat[n // 2] * 1e6, p99_us=lat[int(n * .99)] * 1e6, min_us=lat[0] * 1e6)


def main():
    if sys.argv[1] in ("kvsget", "kvsput"):
        kvs(flux.Flux(), sys.argv[1], int(sys.argv[2]))
        return
    cmd, topic, payload = sys.argv[1:4]
    payload = json.loads(payload)
    h = flux.Flux()
    if cmd == "serial":
        n = int(sys.argv[4])
        for _ in range(n // 10):
            h.rpc(topic, payload).get()
        lat = []
        b0 = brk()
        c, w = cpu(), time.monotonic()
        for _ in range(n):
            t = time.monotonic()
            h.rpc(topic, payload).get()
            lat.append(time.monotonic() - t)
        w, c = time.monotonic() - w, cpu() - c
        lat.sort()
        report("serial:" + topic, n, w, c, b0, p50_us=lat[n // 2] * 1e6, p99_us=lat[int(n * .99)] * 1e6, min_us=lat[0] * 1e6)
    else:
        depth, n = int(sys.argv[4]), int(sys.argv[5])
        st = {}

        def cb(f):
            f.get()
            if st["todo"] > 0:
                send()
            st["left"] -= 1
            if st["left"] == 0:
                h.reactor_stop()

        def send():
            st["todo"] -= 1
            h.rpc(topic, payload).then(cb)

        def run(k):
            st["todo"] = st["left"] = k
            for _ in range(min(depth, k)):
                send()
            h.reactor_run()

        run(n // 10)
        b0 = brk()
        c, w = cpu(), time.monotonic()
        run(n)
        w, c = time.monotonic() - w, cpu() - c
        report(f"pipe:{topic}:{depth}", n, w, c, b0)


main()
