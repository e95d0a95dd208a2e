"""Command line: `python -m benchmarks`. Options to a run, a run to the terminal, JSON and docs.

Exit codes: 0 measured, 1 something could not be measured, 2 bad usage or a missing program,
130 interrupted. Whatever ends it, all that it started is stopped.
"""

import argparse
import shlex
import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import FrameType

from benchmarks import page, report, results
from benchmarks.contests import Contest
from benchmarks.drive import Effort
from benchmarks.frontends import COMPILED
from benchmarks.runner import run
from benchmarks.workloads import Workload, select
from proxy.lab.processes import ROOT, BenchError, MissingTool, require

LATEST = ROOT / "benchmarks" / "results" / "latest.json"
PARTIAL = ROOT / "benchmarks" / "results" / "partial.json"
DOCS = ROOT / "docs" / "benchmarks.md"
QUICK = Effort(rounds=2, seconds=1, transfers=3, slow_seconds=3.0, contest_seconds=2.0, warm=False)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Compare the proxy with nginx in front of the same uWSGI.",
        epilog="A run with --quick, --only or one front end is written to results/partial.json and "
        "not to docs/benchmarks.md, unless --merge puts a run with --only there.",
    )
    made.add_argument("--quick", action="store_true", help="short rounds, for development")
    made.add_argument("--rounds", type=_positive, help="rounds per workload (5; quick 2)")
    made.add_argument("--seconds", type=_positive, help="of a round (3, contests 8; quick 1, 2)")
    made.add_argument(
        "--only", action="append", default=[], metavar="NAME",
        help="workloads whose name begins so; may be given several times",
    )  # fmt: skip
    made.add_argument("--frontend", choices=("proxy", "nginx", "both"), default="both")
    made.add_argument("--proxy-args", default="", help='more options, as in "--loop asyncio"')
    made.add_argument(
        "--compiled", action="store_true", help="measure the compiled build, too (`make compiled`)"
    )
    made.add_argument("--json", type=Path, metavar="PATH", help="where the results go")
    made.add_argument(
        "--merge", action="store_true",
        help="with --only: replace these workloads in results/latest.json and in the docs",
    )  # fmt: skip
    made.add_argument("--no-docs", action="store_true", help="leave docs/benchmarks.md alone")
    made.add_argument(
        "--render", type=Path, metavar="PATH", help="only write the docs, from a JSON"
    )
    made.add_argument("--list", action="store_true", help="list the workloads and end")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run the bench; return the exit code."""
    args = parser().parse_args(argv)
    before = signal.signal(signal.SIGTERM, _on_terminate)
    try:
        workloads = select(args.only)
        if args.list:
            print("\n".join(f"{each.name:16}{each.title}" for each in workloads))
            return 0
        if args.render:
            DOCS.write_text(page.render(results.load(args.render.read_text())))
            return 0
        return _run(args, workloads)
    except BrokenPipeError:
        return 1  # whoever read our output has gone
    except (MissingTool, ValueError, OSError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    except BenchError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("benchmarks: interrupted", file=sys.stderr)
        return 130
    finally:
        signal.signal(signal.SIGTERM, before)


def effort(args: argparse.Namespace) -> Effort:
    """Return how much is measured: the options over the defaults of the kind of run."""
    base = QUICK if args.quick else Effort()
    return Effort(
        rounds=args.rounds or base.rounds,
        seconds=args.seconds or base.seconds,
        transfers=base.transfers,
        slow_seconds=base.slow_seconds,
        contest_seconds=args.seconds or base.contest_seconds,
        warm=base.warm,
    )


def _run(args: argparse.Namespace, workloads: Sequence[Workload | Contest]) -> int:
    frontends = ("nginx", "proxy") if args.frontend == "both" else (args.frontend,)
    needed = ["wrk"] if any(each.kind == "load" for each in workloads) else []
    require(needed + [name for name in frontends if name == "nginx"])
    whole = not (args.quick or args.proxy_args or len(frontends) < 2)
    earlier = results.load(LATEST.read_text()) if args.merge and whole and args.only else None
    if args.merge and earlier is None:
        raise ValueError("--merge goes with --only, and without --quick and other short cuts")
    if args.compiled and not COMPILED.is_dir():
        raise ValueError("there is no compiled build: run `make compiled` first")
    proxy_args = shlex.split(args.proxy_args)
    published = whole and not args.only
    path = args.json or (LATEST if published else PARTIAL)
    keep = partial(results.save, path=args.json or PARTIAL)
    how = effort(args)
    done = run(workloads, frontends, how, _say, proxy_args, compiled=args.compiled, keep=keep)
    results.save(done, path)
    if earlier is not None:
        earlier.take(done)
        results.save(earlier, LATEST)
    if (shown := earlier or (done if published else None)) and not args.no_docs:
        DOCS.write_text(page.render(shown))
    for row in report.aims(done):
        print(f"{row[3].replace('*', ''):13}{row[0]}: {row[2]}, wanted {row[1]}")
    print(f"{done.run_seconds:.0f} s; results in {path}")
    return 1 if done.failed else 0


def _say(text: str) -> None:
    print(text + "\n", flush=True)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _on_terminate(signum: int, frame: FrameType | None) -> None:
    """Leave by way of the finally clauses, as on Ctrl-C."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
