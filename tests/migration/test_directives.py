"""The tables: each name once, and each option that is meant exists."""

from proxy.migration.directives import BY_DIRECTIVE, NOT_NEEDED, SAME, WHY_NOT


def test_what_is_the_same_has_an_option() -> None:
    assert [name for name in SAME if name not in BY_DIRECTIVE] == []
    assert BY_DIRECTIVE["uwsgi_read_timeout"].flag == "--backend-read-timeout"


def test_each_directive_has_one_fate() -> None:
    assert len(SAME) == len(set(SAME))
    assert set(SAME) & NOT_NEEDED == set()
    assert set(SAME) & set(WHY_NOT) == set()
    assert NOT_NEEDED & set(WHY_NOT) == set()
