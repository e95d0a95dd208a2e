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
