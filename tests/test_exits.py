"""Exit codes are documented, each once."""

from proxy.exits import MEANINGS, Exit


def test_every_code_has_a_meaning() -> None:
    assert [code for code, _ in MEANINGS] == [*(str(int(code)) for code in Exit), "128+N"]
