"""The page of a sweep has its answers, its curve and its rows."""

from proxy.lab.sweep import page as sweep_page
from tests.lab.sweep.test_runner import made


def test_everything_is_there() -> None:
    one = made(w1=100, w2=190, w4=300, w8=305)
    one.points[0].reason = "<b>died</b>"
    one.points[1].warnings = ["the generator was late"]
    one.partial = True
    text = sweep_page.render(one)
    assert "4 workers do 300 requests/s" in text
    assert text.count("<circle") == 4
    assert 'class="curve proxy"' in text
    assert "&lt;b&gt;died" in text
    assert "the generator was late" in text
    assert "was interrupted" in text
    assert "{{" not in text
    assert 'id="answer"' in text
    assert '<tr id="workers-8">' in text


def test_without_numbers_there_is_no_curve() -> None:
    text = sweep_page.render(made())
    assert "Nothing could be measured." in text
    assert "<svg" not in text
