"""Submits the jobspecs on standard input, one a line, waits for each, and prints its fate.

A line is {"name": ..., "jobspec": text}.
"""
import json
import sys

import flux
import flux.job

handle = flux.Flux()
jobs = []
for line in sys.stdin:
    request = json.loads(line)
    try:
        # The text is sent as it is, also where the Python classes would not take it.
        jobid = flux.job.submit(handle, request["jobspec"], waitable=True)
        jobs.append((request["name"], jobid))
    except OSError as exc:
        print(json.dumps({"name": request["name"], "refused": exc.strerror or str(exc)}), flush=True)
for name, jobid in jobs:
    result = flux.job.wait(handle, jobid)
    text = result.errstr.decode() if isinstance(result.errstr, bytes) else str(result.errstr)
    print(json.dumps({"name": name, "success": bool(result.success), "text": text}), flush=True)
