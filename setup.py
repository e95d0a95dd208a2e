"""Compiles the road of a request, where that is asked for; all else is in pyproject.toml.

    COMPILE_UWSGI_FRONTEND=1 pip install .

needs a C compiler. mypyc makes extension modules of the very files below; each is as good without.
What is gained, and why these files: docs/decisions/0020-a-compiled-build.md.
"""

import os
import sys

from setuptools import Extension, setup

ROAD = (
    "protocol/headers.py",
    "protocol/messages.py",
    "protocol/params.py",
    "protocol/reply.py",
    "protocol/uri.py",
    "protocol/uwsgi.py",
    "protocol/http1/chunks.py",
    "protocol/http1/head.py",
    "protocol/http1/known_lines.py",
    "protocol/http1/lines.py",
    "protocol/http1/reader.py",
    "protocol/http1/repeats.py",
    "protocol/http1/writer.py",
    "proxy/clock.py",
    "proxy/connection.py",
    "proxy/downstream.py",
    "proxy/exchange.py",
    "proxy/pace.py",
    "proxy/record.py",
    "proxy/relay.py",
    "proxy/spool.py",
    "proxy/stream.py",
    "proxy/tally.py",
    "proxy/waiting.py",
    "proxy/control/failures.py",
    "proxy/telemetry/access_log.py",
    "proxy/telemetry/error_log.py",
    "proxy/telemetry/metrics.py",
    "proxy/tls/stream.py",
    "proxy/upstream/attempt.py",
    "proxy/upstream/backend.py",
    "proxy/upstream/body.py",
    "proxy/upstream/channel.py",
    "proxy/upstream/connector.py",
    "proxy/upstream/gate.py",
    "proxy/upstream/health.py",
    "proxy/upstream/idle.py",
    "proxy/upstream/line.py",
    "proxy/upstream/pool.py",
    "proxy/upstream/readiness.py",
    "proxy/upstream/requirements.py",
    "proxy/upstream/retry.py",
    "proxy/upstream/roster.py",
    "proxy/upstream/timing.py",
    "proxy/upstream/wanted.py",
    "proxy/upstream/balance/first.py",
    "proxy/upstream/balance/least_conn.py",
    "proxy/upstream/balance/least_time.py",
    "proxy/upstream/balance/measures.py",
    "proxy/upstream/balance/query.py",
    "proxy/upstream/balance/round_robin.py",
    "proxy/upstream/balance/weighted_random.py",
)
"""What runs for every request, and little else: what is not here stays easy to look into."""

NEEDED = ("mypy==2.4.*", "h11", "httptools", "prometheus-client")
"""The compiler, of the one version that the compiled build is tested with, and what it has to know
the types of."""

# Of no configuration: what `make check` finds is not to keep anybody from installing.
CHECKS = ("--config-file=", "--ignore-missing-imports", "--follow-imports=silent")


def wanted() -> bool:
    """Whether to compile; not when setuptools only asks for the names of things."""
    asked = os.environ.get("COMPILE_UWSGI_FRONTEND", "0")
    if asked not in ("0", "1"):
        sys.exit(f"COMPILE_UWSGI_FRONTEND is {asked!r}; say 1 to compile, 0 not to")
    return asked == "1"


def extensions() -> list[Extension]:
    """Return what has to be compiled now."""
    if not wanted() or not {"bdist_wheel", "build_ext", "editable_wheel"} & set(sys.argv):
        return []
    from mypyc.build import mypycify

    paths = [*CHECKS, *ROAD]
    level = os.environ.get("MYPYC_OPT_LEVEL", "2")  # 0 for a quick look
    return mypycify(paths, opt_level=level, debug_level="0", group_name="uwsgi_frontend")


setup(ext_modules=extensions(), setup_requires=NEEDED if wanted() else ())
