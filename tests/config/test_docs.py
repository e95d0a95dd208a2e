"""docs/settings.md is the page that the table makes."""

import subprocess
import sys
from pathlib import Path

from proxy.config import backend, check_spec, sticky
from proxy.config.docs import page
from proxy.config.options import OPTIONS
from proxy.exits import MEANINGS

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_committed_page_is_the_generated_one() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "run: python -m proxy.config.docs > docs/settings.md"
    )


def test_the_module_prints_the_page() -> None:
    command = [sys.executable, "-X", "utf8", "-m", "proxy.config.docs"]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60, cwd=PAGE.parents[1])
    assert done.stdout.decode() == page()


def test_every_option_variable_and_exit_code_is_there() -> None:
    for option in OPTIONS:
        assert f"`{option.flag}" in page()
        assert f"`{option.environment}`" in page()
    assert all(f"| {code} | {meaning} |" in page() for code, meaning in MEANINGS)


def test_every_word_of_a_backend_a_cookie_and_a_check_is_there() -> None:
    for parameter in (*backend.PARAMETERS, *sticky.PARAMETERS, *check_spec.PARAMETERS):
        assert f"| `{parameter.usage}` | " in page().replace("\\|", "|")
    assert all(f"| `{kind}` | " in page() for kind in check_spec.KINDS)


def test_limits_and_defaults_are_there() -> None:
    text = page()
    assert "| `weight=N` | `1` | Share of the requests, relative to the others. From 1 to " in text
    assert "| `slow_start=TIME` | `0s` | " in text
    assert "| `backup` |  | " in text
    assert "| `httponly` | `on` | " in text
    assert "must have. May stand several times. |" in text
    assert "| `60s` | In line, 503 after it. At least 1ms. |" in text
    assert "requests that run or wait. From 0% to 100%. |" in text


def test_rows_of_tables_have_as_many_cells_as_their_heads() -> None:
    cells = 0
    for line in page().splitlines():
        if not line.startswith("|"):
            cells = 0
            continue
        count = line.replace("\\|", "").count("|")
        assert cells in (0, count), line
        cells = count
