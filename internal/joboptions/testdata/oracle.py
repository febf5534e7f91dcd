"""Tells what the classes behind flux submit, run, batch and alloc make of a request.

{"argv": [...]} is a command line without "flux"; of bulksubmit the lines are shown that it would submit.
{"expr": "..."} is a constraint expression of --requires, {"script": "..."} a batch script whose directives are wanted.
{"self": true} asks for a description of this process.
"""
import contextlib
import io
import json
import logging
import os
import resource

from flux.cli import alloc, base, batch, bulksubmit, run, submit
from flux.constraint.parser import ConstraintSyntaxError
from flux.job._utils import MiniConstraintParser
from flux.job.directives import DirectiveParser

COMMANDS = {
    "submit": submit.SubmitCmd("flux submit"),
    "run": run.RunCmd("flux run"),
    "batch": batch.BatchCmd("flux batch"),
    "alloc": alloc.AllocCmd("flux alloc"),
}
BULK = bulksubmit.BulkSubmitCmd("flux bulksubmit")
PARSER = MiniConstraintParser()


def jobspec(argv):
    name, rest = argv[0], argv[1:]
    cmd = COMMANDS[name]
    args = cmd.get_parser().parse_args(rest)
    if name == "batch":
        cmd.argv = rest
        cmd.script, args = cmd.process_script(args)
    elif name == "submit" and (args.cc or args.bcc):
        first = next(iter(cmd.cc_list(args)))
        copy = args.cc
        args = base.Xcmd(args, cc=first)
        spec = cmd.jobspec_create(args)
        if copy:
            spec.environment["FLUX_JOB_CC"] = str(first)
        return spec
    return cmd.jobspec_create(args)


def describe():
    limits = [
        [name[7:].lower(), resource.getrlimit(getattr(resource, name))[0]]
        for name in resource.__dict__
        if name.startswith("RLIMIT_")
    ]
    environ = [f"{name}={value}" for name, value in os.environ.items()]
    return {"environ": environ, "dir": os.getcwd(), "limits": limits}


def handle(request):
    if "self" in request:
        return describe()
    if "expr" in request:
        PARSER.lexer.pending_token = None
        try:
            return {"out": PARSER.parse(request["expr"])}
        except ConstraintSyntaxError as exc:
            return {"error": str(exc)}
    if "script" in request:
        try:
            found = DirectiveParser(io.StringIO(request["script"])).directives
            return {"out": [[d.lineno, d.args] for d in found if d.action == "SETARGS"]}
        except ValueError as exc:
            return {"error": str(exc)}
    stderr = io.StringIO()
    handler = logging.StreamHandler(stderr)
    logging.getLogger().addHandler(handler)
    try:
        with contextlib.redirect_stderr(stderr):
            if request["argv"][0] == "bulksubmit":
                args = BULK.get_parser().parse_args(request["argv"][1:])
                return {"out": [str(line) for line in BULK.create_commands(args)]}
            return {"out": json.loads(jobspec(request["argv"]).dumps())}
    except SystemExit as exc:
        lines = stderr.getvalue().strip().split("\n")
        return {"error": lines[-1], "exit": exc.code}
    except Exception as exc:
        return {"error": str(exc), "exit": 1}
    finally:
        logging.getLogger().removeHandler(handler)

