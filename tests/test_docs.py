"""The pages say what is so: links lead somewhere, options exist, numbers are current."""

import importlib
import json
import re
import runpy
from pathlib import Path
from typing import get_args

import pytest

from proxy import __version__, errors
from proxy.config.backend import PARAMETERS
from proxy.config.options import BY_ENVIRONMENT, OPTIONS
from proxy.config.options_pool import POOL_GROUPS
from proxy.config.units import format_size
from proxy.lab.cli import parser as lab_parser
from proxy.lab.sweep.cli import parser as sweep_parser
from proxy.record import Record
from proxy.settings import Algorithm, CheckKind
from proxy.telemetry.catalogue import OWN
from proxy.telemetry.log_format import NAMED, json_line
from proxy.telemetry.moment import Moment
from proxy.telemetry.uwsgi_catalogue import ALL as OF_UWSGI
from proxy.telemetry.variables import PREFIXES, VARIABLES
from proxy.upstream.health import State

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
EXAMPLES = ROOT.glob("examples/*/README.md")
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *EXAMPLES, *DOCS.rglob("*.md")])
WRITTEN = [page for page in PAGES if page.name not in ("settings.md", "benchmarks.md")]
"""Those that no program makes from a table of its own."""

BY_FLAG = {option.flag: option for option in OPTIONS}
COMMANDS = {"--help", "--version", "--check-config", "--print-config"}

FOREIGN = {
    "CPython's configure": "--enable-optimizations",
    "uWSGI": (
        "--binary-path --buffer-size --chmod-socket --connect-and-read --die-on-term --harakiri "
        "--hook-master-start --http --http-socket --https --https-socket --listen --master "
        "--max-requests --max-vars "
        "--memory-report --module --need-app "
        "--ping --plugin --processes --puwsgi-socket --shared-socket --socket --socket-rcvbuf "
        "--socket-sndbuf --socket-timeout --stats "
        "--subscribe-to "
        "--threads --touch-chain-reload --vacuum --wsgi --wsgi-file"
    ),
    "our pytest plugin": "--uwsgi-require-topologies --uwsgi-topologies",
    "our own curl and ping": "--data-binary --data-raw --max-time --timeout",
    "docker": "--build --build-arg --cap-drop --read-only --rm --secret --tmpfs",
    "buildah": "--isolation",
    "prometheus": "--config --web",
    "certbot": "--standalone",
    "mypy": "--strict",
    "our benchmarks": "--compiled --only",
    "gunicorn": "--bind --keep-alive --protocol --uwsgi-allow-from --worker-class --workers",
}
"""Options of other programs that the pages talk about."""

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*[a-z0-9](?![\w-])")


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def without_code(text: str) -> str:
    """Drop code blocks and code spans, which hold no links."""
    text = re.sub(r"(?ms)^```.*?^```", "", text)
    return re.sub(r"`[^`\n]*`", "", text)


def anchors(page: Path) -> set[str]:
    """Return the names of a page's headings, as the usual renderers make them."""
    headings = re.findall(r"(?m)^#+ (.+)$", re.sub(r"(?ms)^```.*?^```", "", text_of(page)))
    bare = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.strip().replace(" ", "-") for heading in bare}


def relative(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(without_code(text_of(page))):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


@pytest.mark.parametrize("page", WRITTEN, ids=relative)
def test_options_exist(page: Path) -> None:
    parsers = (lab_parser(), sweep_parser())
    lab = {flag for each in parsers for action in each._actions for flag in action.option_strings}
    known = set(BY_FLAG) | COMMANDS | lab | set(" ".join(FOREIGN.values()).split())
    text = re.sub(r"(?m)^\|[-|]+\|$", "", text_of(page))
    assert set(FLAG.findall(text)) - known == set()
    variables = set(re.findall(r"UWSGI_FRONTEND_[A-Z_]+[A-Z]", text))
    assert variables - set(BY_ENVIRONMENT) == set()


@pytest.mark.parametrize("page", WRITTEN, ids=relative)
def test_metrics_exist(page: Path) -> None:
    families = {entry.shown for entry in OWN}
    named = set(re.findall(r"uwsgi_frontend_[a-z_]+", text_of(page)))
    bare = {re.sub(r"_(bucket|sum|count)$", "", name) for name in named}
    assert {name for name in bare if name not in families} == set()


@pytest.mark.parametrize("page", WRITTEN, ids=relative)
def test_quoted_log_lines_are_what_would_be_logged(page: Path) -> None:
    """A line looks like `... proxy.exchange: WORD STATUS "...": ...; next: STEP`."""
    lines = re.findall(r"proxy\.exchange: (\w+) .*; next: (.*)", text_of(page))
    for word, step in lines:
        assert step == errors.ALL[word].next_step


@pytest.mark.parametrize("page", WRITTEN, ids=relative)
def test_rows_about_a_reason_have_its_status(page: Path) -> None:
    for word, status in re.findall(r"(?m)^\| `([a-z_]+)` \| (\d{3})", text_of(page)):
        assert errors.ALL[word].status == int(status), word


def test_the_page_of_reasons_is_current() -> None:
    made = runpy.run_path(str(DOCS / "reasons.py"))["page"]()
    assert text_of(DOCS / "reasons.md") == made, "run: python docs/reasons.py > docs/reasons.md"
    assert all(f"| `{word}` |" in made for word in errors.ALL)


def test_the_tables_of_metrics_are_current() -> None:
    made = runpy.run_path(str(DOCS / "metrics.py"))["page"]
    text = text_of(DOCS / "observability.md")
    assert made(text) == text, "run: python docs/metrics.py"
    assert all(f"| `{entry.shown}` |" in text for entry in (*OWN, *OF_UWSGI))


@pytest.mark.parametrize("name", ["limits.md", "pool.md"])
def test_options_in_tables_have_their_defaults(name: str) -> None:
    """A row begins with an option and its value."""
    options = re.findall(r"(?m)^\| `(--[a-z0-9-]+)` \| ([^|]+) \|", text_of(DOCS / name))
    assert options
    for flag, value in options:
        assert value.strip("` ") == (BY_FLAG[flag].default or "none"), flag


def test_constants_in_the_table_of_limits_are_current() -> None:
    """A row begins with a constant and its value."""
    text = text_of(DOCS / "limits.md")
    constants = re.findall(r"(?m)^\| `([a-z_.0-9]+)\.([A-Z_0-9]+)` \| `([^`]+)` \|", text)
    assert constants
    for module, name, value in constants:
        number = getattr(importlib.import_module(module), name)
        shown = f"{number:g}s" if name.endswith("_S") else format_size(number)
        assert value in (shown, f"{number:,}"), name


def test_the_page_of_the_pool_names_everything() -> None:
    """All options of the pool, the words of a backend, algorithms, states and kinds of checks."""
    text = text_of(DOCS / "pool.md")
    flags = [option.flag for group in POOL_GROUPS for option in group.options]
    words = [parameter.name for parameter in PARAMETERS]
    assert [flag for flag in flags if f"`{flag}" not in text] == []
    assert [word for word in words if not re.search(rf"[` ]{word}[`=) ]", text)] == []
    rows = set(re.findall(r"(?m)^\| `?([\w-]+)", text))
    assert set(get_args(Algorithm)) | {state.name for state in State} <= rows
    assert set(get_args(CheckKind)) <= rows


def test_every_unsafe_switch_is_explained() -> None:
    text = text_of(DOCS / "nginx-differences.md")
    for option in OPTIONS:
        if option.flag.startswith("--dangerously-"):
            assert f"`{option.flag}`" in text


def test_the_changelog_knows_this_version() -> None:
    versions = re.findall(r"(?m)^## \[?(\d+\.\d+\.\d+)", text_of(ROOT / "CHANGELOG.md"))
    assert versions
    assert versions[0] == __version__


def test_every_decision_is_listed_and_numbered() -> None:
    pages = sorted((DOCS / "decisions").glob("[0-9]*.md"))
    numbers = [int(page.name[:4]) for page in pages]
    # Numbers are given out before pages are written, so there may be gaps.
    assert len(set(numbers)) == len(numbers)
    listed = text_of(DOCS / "decisions" / "README.md")
    assert all(f"({page.name})" in listed for page in pages)


def test_the_page_of_logs_names_every_variable_and_json_s_names() -> None:
    text = text_of(DOCS / "observability.md")
    for name in (*VARIABLES, *(prefix + "NAME" for prefix in PREFIXES)):
        assert f"`${name}`" in text, name
    told = json_line(Record(b"", 0.0), Moment(0.0))
    schema = text[text.index("### JSON") : text.index("## Error log")]
    assert re.findall(r"(?m)^\| `(\w+)` \|", schema) == list(json.loads(told))
    for name in NAMED:
        assert f"| `{name}` |" in text
