"""What the process of a job does: it converts or checks one model and answers with a document.

It is a fork of the supervisor, or, where no fork is safe, an interpreter of its own (``python -m irconv.fleet.child``).
"""

from __future__ import annotations

import faulthandler
import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from irconv.containers.own_process import declare
from irconv.errors import Disagreement, Fault, IrconvError, NoSuchFile, OutputFailed, kind_of
from irconv.fleet.job import Found, Job, Limits, digest, stamp

_HEADROOM = 512
"""Megabytes that the system grants above the limit, to which the supervisor holds the process: what is mapped and never
used counts for the system alone."""
_MOST_TEXT = 20_000
_OF_MEMORY = re.compile(r"raised \w*MemoryError\b")


def main(document: Mapping[str, Any], log: str) -> None:
    """Do a job in this process, which does nothing else, and write the answer to standard output."""
    answers = os.dup(1)
    os.setpgid(0, 0)  # what it starts ends with it
    _logged(log)
    job = Job.of(document)
    _limited(job.limits)
    declare()
    text = json.dumps(found(job).document()).encode()
    while text:
        text = text[os.write(answers, text) :]


def _logged(log: str) -> None:
    """All that the process prints goes to a file."""
    to = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for number in (1, 2):
        os.dup2(to, number)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
    faulthandler.enable(sys.stderr)


def _limited(limits: Limits) -> None:
    """The system ends what takes too long, and gives no more memory. What the supervisor sees comes first."""
    try:
        import resource
    except ImportError:  # a system without them; the supervisor watches
        return
    wanted = [(resource.RLIMIT_CPU, limits.seconds), (resource.RLIMIT_CORE, 0)]
    if sys.platform == "linux":  # elsewhere it counts other things
        wanted.append((resource.RLIMIT_DATA, (limits.memory + _HEADROOM) * 2**20))
    for kind, most in wanted:
        hard = resource.getrlimit(kind)[1]
        resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def found(job: Job) -> Found:
    """What comes of a job, in this process."""
    about: dict[str, Any] = {}
    try:
        os.chdir(job.folder or ".")
        about = {"sha256": digest(Path(job.source)), "stamp": stamp(Path(job.source))}
        return Found(**{**about, **(_converted(job) if job.destination else _checked(job))})
    except IrconvError as error:
        return Found(**{**about, **(_too_much(job) if _for_want_of_memory(error) else _said(error))})
    except MemoryError:
        return Found(**{**about, **_too_much(job)})
    except OSError as error:
        reason = f"{error.filename or job.source}: cannot be read: {error.strerror or error}."
        return Found("failed", type(error).__name__, reason, **about)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _converted(job: Job) -> dict[str, Any]:
    from irconv import api

    written = api.convert(job.source, job.destination, job.read, job.write, verify=job.verify)
    worst = [report.worst.difference.relative for report in written.checked if report.worst]
    return {"outcome": "ok", "files": tuple(map(str, written.files)), "error": max(worst, default=None)}


def _checked(job: Job) -> dict[str, Any]:
    from irconv import api

    problems = api.check(job.source)
    if not problems:
        return {"outcome": "ok"}
    return {"outcome": "different", "reason": "BundleInvalid", "message": _short("\n".join(map(str, problems)))}


def _for_want_of_memory(error: IrconvError) -> bool:
    """Whether an error came of one of memory: of irconv, or of a plugin, of which the words are left."""
    own = any(isinstance(one, MemoryError) for one in (error.__cause__, error.__context__))
    return own or any(_OF_MEMORY.match(problem.what) for problem in error.problems)


def _too_much(job: Job) -> dict[str, Any]:
    return {"outcome": "killed", "reason": "Memory", "message": too_much(job)}


def too_much(job: Job) -> str:
    """What is said of a job that takes more memory than it may."""
    return f"{job.source}: took more than {job.limits.memory} MB of memory. Give more with --memory, and --retry."


def _said(error: IrconvError) -> dict[str, Any]:
    """An error as a row has it: in the words of the command line, in which plans are written."""
    kind, message = kind_of(error), _short("\n".join(map(str, error.problems)))
    if isinstance(error, Disagreement):
        worst = [report.worst.difference.relative for report in error.reports if report.worst]
        return {"outcome": "different", "reason": kind.__name__, "message": message, "error": max(worst, default=None)}
    failed = isinstance(error, NoSuchFile | OutputFailed | Fault)
    if isinstance(error, Fault):
        import traceback

        traceback.print_exception(error.__cause__ or error)
    return {"outcome": "failed" if failed else "refused", "reason": kind.__name__, "message": message}


def _short(text: str) -> str:
    return text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]} ... and {len(text) - _MOST_TEXT} characters more"


if __name__ == "__main__":
    asked = json.loads(sys.stdin.readline())
    main(asked["job"], asked["log"])
