"""The page's bytes: whole, self-contained, and under a policy that fits it."""

import base64
import hashlib
import re

from proxy.control.page import PAGE, policy_for
from tests.control.scene import Scene

MAX_BYTES = 64 * 1024


def test_it_is_served_with_its_policy() -> None:
    response = Scene().ask(b"GET /")
    assert (response.status, response.body) == (200, PAGE.body)
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["x-frame-options"] == "DENY"
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy


def test_the_policy_allows_what_is_in_it_and_nothing_else() -> None:
    policy = policy_for("<style>a</style><script>b</script>")
    for text in (b"a", b"b"):
        digest = base64.b64encode(hashlib.sha256(text).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_nothing_in_it_needs_anything_from_elsewhere() -> None:
    html = PAGE.body.decode()
    assert len(html) < MAX_BYTES
    elsewhere = [u for u in re.findall(r"https?://[^\s'\"]+", html) if "www.w3.org" not in u]
    assert not elsewhere
    assert html.count("<script") == html.count("<style") == 1
    for unsafe in (
        "innerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        " style=",
        "onclick",
    ):
        assert unsafe not in html, unsafe


def luminance(color: str) -> float:
    """Return how bright a color is (WCAG 2.1, 1.4.3)."""
    text = color.removeprefix("#")
    text = "".join(2 * digit for digit in text) if len(text) == 3 else text
    parts = [int(text[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_everything_can_be_read_in_light_and_in_dark() -> None:
    light, dark = (
        dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6})", block))
        for block in re.findall(r":root \{(.*?)\}", PAGE.body.decode(), re.DOTALL)
    )
    for colors in (light, dark):
        pairs = [(ink, paper) for ink in ("ink", "soft") for paper in ("paper", "card", "faint")]
        for kind in ("ok", "warn", "bad", "note"):
            pairs += [(kind, f"{kind}-bg"), (kind, "card"), (kind, "paper")]
        for pair in pairs:
            one, other = sorted(luminance(colors[name]) for name in pair)
            assert (other + 0.05) / (one + 0.05) >= 4.5, pair
