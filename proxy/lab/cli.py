"""`python -m proxy lab`: options to a run, a run to the terminal, report.json and report.html.

Exit codes: 0 measured, 1 nothing could be measured, 2 bad usage or something is not installed, 130
interrupted (the report is written all the same). Whatever ends it, all that it started is stopped.
"""

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType

from proxy.lab import effort
from proxy.lab.live import Live, clock, verdict_lines
from proxy.lab.load.latency import Latencies, MissingPackage
from proxy.lab.options import PROGRAM, add_requests, make_room, positive, requests, seconds
from proxy.lab.processes import MissingTool, require
from proxy.lab.report import page
from proxy.lab.report.results import Report, load
from proxy.lab.report.verdicts import verdicts
from proxy.lab.runner import Asked, run
from proxy.lab.scenarios import SCENARIOS
from proxy.lab.stand.setup import Installed, Setup
from proxy.lab.stand.topologies import TOPOLOGIES
from proxy.lab.stand.trial import try_app
from proxy.lab.sweep import cli as sweep_cli
from proxy.worker import target


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Run your application behind uWSGI alone, nginx, gunicorn and this proxy, and "
        "say what a front end costs it and saves it.",
        epilog="How many workers? `lab sweep --help`. The method: docs/lab.md.",
    )
    add_requests(made)
    made.add_argument("--processes", type=positive, default=2, metavar="N", help="workers [2]")
    made.add_argument("--quick", action="store_true", help="a first look in a minute")
    _add_extent(made)
    made.add_argument(
        "--render", type=Path, metavar="JSON", help="only write the page, from a report"
    )
    made.add_argument("--list", action="store_true", help="list topologies and scenarios and end")
    return made


def _add_extent(made: argparse.ArgumentParser) -> None:
    made.add_argument(
        "--topology", action="append", default=[], metavar="NAME", help="only these (see --list)"
    )
    made.add_argument(
        "--scenario", action="append", default=[], metavar="NAME", help="only those that begin so"
    )
    made.add_argument(
        "--generator", choices=("own", "wrk"), default="own",
        help="who sends at saturation [own]; wrk takes less CPU time, and tells less",
    )  # fmt: skip
    made.add_argument("--rounds", type=positive, metavar="N", help="pairs of each comparison [8]")
    made.add_argument("--seconds", type=seconds, metavar="S", help="of a load [1.5]")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the lab; return the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    sweeps = words[:1] == ["sweep"]
    args = None if sweeps else parser().parse_args(words)
    before = signal.signal(signal.SIGTERM, _on_terminate)
    try:
        if args is None:
            return sweep_cli.run(words[1:])
        if args.list:
            print(listing())
            return 0
        if args.render:
            return _write(load(args.render), args.out)
        return _run(args)
    except BrokenPipeError:
        return 1  # whoever read our output has gone
    except (MissingPackage, MissingTool, ValueError, OSError, target.WorkerError) as error:
        print(f"{_traceback(error)}{PROGRAM}: error: {_line(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{PROGRAM}: interrupted", file=sys.stderr)
        return 130
    finally:
        signal.signal(signal.SIGTERM, before)


def _traceback(error: Exception) -> str:
    """Return what the user's application has raised."""
    return error.traceback if isinstance(error, target.WorkerError) else ""


def _line(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def listing() -> str:
    """Return all topologies and scenarios, as --list shows them."""
    lines = ["topologies:", *(f"  {each.name:18}{each.title}" for each in TOPOLOGIES)]
    lines += ["scenarios:", *(f"  {each.name:18}{each.title}" for each in SCENARIOS)]
    return "\n".join(lines)


def _run(args: argparse.Namespace) -> int:
    Latencies()  # says what is missing before anything is started
    wanted = requests(args)
    if args.generator == "wrk":
        require(["wrk"])
    if args.app:
        try_app(args.app, Path.cwd())
    base = effort.QUICK if args.quick else effort.Effort()
    extent = replace(base, rounds=args.rounds or base.rounds, seconds=args.seconds or base.seconds)
    scenarios = effort.scenarios(args.scenario, args.quick)
    live = Live(sys.stdout)
    installed = Installed.look()
    topologies = effort.topologies(args.topology, installed, args.quick)
    asked = Asked(topologies, scenarios, extent, wanted, args.seed, live.progress, live.scenario)
    asked.generator = args.generator
    make_room(args.out)
    planned_s = effort.planned_s(topologies, scenarios, extent)
    live.say(
        f"{_count(topologies, 'topology', 'topologies')}, "
        f"{_count(scenarios, 'scenario', 'scenarios')}, asked for "
        f"{'; '.join(map(str, wanted))}; on a quiet machine about {clock(planned_s)}, Ctrl-C ends "
        "it early"
    )
    with tempfile.TemporaryDirectory(prefix="lab-") as place:
        setup = Setup(Path(place), args.app, processes=args.processes, installed=installed)
        report = run(asked, setup)
    for shown in report.topologies:
        if shown.reason:
            live.say(f"{shown.name} did not start: {shown.reason}")
    for verdict in verdicts(report):
        live.say("\n".join(["", *verdict_lines(verdict)]))
    code = _write(report, args.out)
    if report.partial:
        return 130
    return code if any(row.samples for s in report.scenarios for row in s.rows) else 1


def _count(found: Sequence[object], one: str, many: str) -> str:
    return f"{len(found)} {one if len(found) == 1 else many}"


def _write(report: Report, out: Path) -> int:
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.json").write_text(as_json(report), encoding="utf-8")
    (out / "report.html").write_text(page.render(report), encoding="utf-8")
    print(f"\n{out / 'report.html'} and {out / 'report.json'} written")
    return 0


def as_json(report: Report) -> str:
    """Return the report with its answers."""
    said = json.loads(report.to_json())
    said["verdicts"] = [each.to_json() for each in verdicts(report)]
    return json.dumps(said, indent=1) + "\n"


def _on_terminate(signum: int, frame: FrameType | None) -> None:
    """Leave by way of the finally clauses, as on Ctrl-C."""
    raise KeyboardInterrupt
