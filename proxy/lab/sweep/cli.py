"""`python -m proxy lab sweep`: options to a sweep, sweep.json and sweep.html."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from proxy.lab import effort
from proxy.lab.live import Live
from proxy.lab.load.latency import Latencies
from proxy.lab.options import PROGRAM, add_requests, make_room, positive, requests, seconds
from proxy.lab.stand.setup import Installed, Setup
from proxy.lab.stand.trial import try_app
from proxy.lab.sweep import page as sweep_page
from proxy.lab.sweep import runner as sweep

MOST_WORKERS = 128


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(
        prog=f"{PROGRAM} sweep",
        description="Find out how many workers your application needs on this machine.",
    )
    made.add_argument("--processes", type=numbers, default=[1, 2, 4, 8], metavar="N,N,...",
                      help="numbers of workers to try [1,2,4,8]")  # fmt: skip
    made.add_argument("--topology", default="", metavar="NAME", help="[proxy-uwsgi]")
    made.add_argument("--rounds", type=positive, default=5, metavar="N", help="[5]")
    made.add_argument("--seconds", type=seconds, default=1.5, metavar="S", help="of a load [1.5]")
    add_requests(made)
    return made


def numbers(text: str) -> list[int]:
    """Return numbers of workers, for argparse."""
    try:
        found = sorted({int(each) for each in text.split(",")})
    except ValueError:
        raise argparse.ArgumentTypeError("must be like 1,2,4,8") from None
    if found[0] < 1 or found[-1] > MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"must be from 1 to {MOST_WORKERS}")
    return found


def run(argv: Sequence[str]) -> int:
    """Do a sweep and return the exit code; errors are for the caller (`cli`)."""
    args = parser().parse_args(list(argv))
    Latencies()  # says what is missing before anything is started
    wanted = requests(args)
    if args.app:
        try_app(args.app, Path.cwd())
    installed = Installed.look()
    usual = "proxy-uwsgi" if installed.uwsgi else "proxy-builtin"
    (topology,) = effort.topologies([args.topology or usual], installed, False)
    wish = sweep.Wish(topology, args.processes, wanted, args.rounds, args.seconds, args.seed)
    make_room(args.out)
    live = Live(sys.stdout)
    with tempfile.TemporaryDirectory(prefix="lab-") as place:
        found = sweep.run(wish, Setup(Path(place), args.app, installed=installed), live.line)
    for each in found.points:
        if each.reason:
            live.say(f"{each.processes} workers: {each.reason}")
    live.say("\n".join(sweep.findings(found).answers))
    (args.out / "sweep.json").write_text(found.to_json() + "\n", encoding="utf-8")
    (args.out / "sweep.html").write_text(sweep_page.render(found), encoding="utf-8")
    live.say(f"\n{args.out / 'sweep.html'} and {args.out / 'sweep.json'} written")
    if found.partial:
        return 130
    return 0 if any(each.per_s for each in found.points) else 1
