package fluxtest_test

// The programs in Python of tools print done if all went well.

const pyRPC = `
import flux
h = flux.Flux()
assert h.rpc("attr.get", {"name": "rank"}).get() == {"value": "0", "flags": 1}
assert h.attr_get("size") == "4"
assert h.get_rank() == 0
p = h.rpc("broker.ping", {"seq": 1, "pad": "x"}, nodeid=3).get()
assert p["rank"] == 3 and p["pad"] == "x" and p["rolemask"] == 1, p
futures = [h.rpc("attr.get", {"name": "size"}, nodeid=i % 4) for i in range(100)]
assert all(f.get()["value"] == "4" for f in futures)
print("done")
`

const pyErrors = `
import errno, flux
h = flux.Flux()
for topic, args, nodeid, number, text in (
    ("nosuch.x", {}, 0, errno.ENOSYS, "No service matching nosuch.x is registered"),
    ("attr.nosuch", {}, 0, errno.ENOSYS, "Unknown service method 'attr.nosuch'"),
    ("attr.get", {"name": "nosuch"}, 0, errno.ENOENT, "No such file or directory"),
    ("attr.get", {}, 0, errno.EPROTO, "Protocol error"),
    ("attr.get", {}, 77, errno.EHOSTUNREACH, "No route to host"),
):
    try:
        h.rpc(topic, args, nodeid=nodeid).get()
        assert False, topic
    except OSError as e:
        assert e.errno == number and text in str(e), (topic, e)
print("done")
`

const pyStream = `
import errno, flux
from flux.constants import FLUX_RPC_STREAMING
h = flux.Flux()
h.rpc("log.clear").get()
h.log(6, "conform one")
h.log(6, "conform two")
f, got = h.rpc("log.dmesg", {"follow": False}, flags=FLUX_RPC_STREAMING), []
try:
    while True:
        got.append(f.get_str())
        f.reset()
except OSError as e:
    assert e.errno == errno.ENODATA, e
got = [x for x in got if "conform" in x]
assert len(got) == 2 and got[0].endswith("conform one") and got[1].endswith("conform two"), got
print("done")
`

const pyEvents = `
import flux
h = flux.Flux()
h.event_subscribe("conform")
first = 0
for i in range(10):
    assert h.event_send("conform.%d" % i, {"i": i}) == 0
    m = h.event_recv()
    assert m.topic == "conform.%d" % i and m.payload == {"i": i}, m
h.event_unsubscribe("conform")
print("done")
`

// pyService serves in one thread what another one asks for.
const pyService = `
import flux, threading
from flux.constants import FLUX_MSGTYPE_REQUEST
ready, stop = threading.Event(), threading.Event()
def serve():
    h = flux.Flux()
    h.service_register("conform").get()
    def add(h, t, msg, arg):
        h.respond(msg, {"sum": msg.payload["a"] + msg.payload["b"]})
    def fail(h, t, msg, arg):
        h.respond_error(msg, 2, "no such thing")
    def leave(h, t, msg, arg):
        h.respond(msg, {})
        h.reactor_stop()
    watchers = [h.msg_watcher_create(f, FLUX_MSGTYPE_REQUEST, "conform." + f.__name__) for f in (add, fail, leave)]
    for w in watchers:
        w.start()
    ready.set()
    h.reactor_run()
    h.service_unregister("conform").get()
t = threading.Thread(target=serve)
t.start()
ready.wait()
h = flux.Flux()
for i in range(20):
    assert h.rpc("conform.add", {"a": i, "b": 2}).get() == {"sum": i + 2}
try:
    h.rpc("conform.fail", {}).get()
    assert False
except OSError as e:
    assert e.errno == 2 and "no such thing" in str(e), e
try:
    h.rpc("conform.nosuch", {}).get()
    assert False
except OSError as e:
    assert e.errno == 38 and "Unknown service method 'conform.nosuch'" in str(e), e
h.rpc("conform.leave", {}).get()
t.join()
try:
    h.rpc("conform.add", {}).get()
    assert False
except OSError as e:
    assert e.errno == 38, e
print("done")
`

const pyStreamService = `
import errno, flux, threading
from flux.constants import FLUX_MSGTYPE_REQUEST, FLUX_RPC_STREAMING
ready = threading.Event()
def serve():
    h = flux.Flux()
    h.service_register("conform").get()
    def count(h, t, msg, arg):
        for i in range(msg.payload["n"]):
            h.respond(msg, {"i": i})
        h.respond_error(msg, errno.ENODATA, None)
        h.reactor_stop()
    w = h.msg_watcher_create(count, FLUX_MSGTYPE_REQUEST, "conform.count")
    w.start()
    ready.set()
    h.reactor_run()
t = threading.Thread(target=serve)
t.start()
ready.wait()
f, got = flux.Flux().rpc("conform.count", {"n": 50}, flags=FLUX_RPC_STREAMING), []
try:
    while True:
        got.append(f.get()["i"])
        f.reset()
except OSError as e:
    assert e.errno == errno.ENODATA, e
assert got == list(range(50)), got
t.join()
print("done")
`
