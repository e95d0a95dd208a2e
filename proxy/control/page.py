"""The page for people: one file, and the policy that lets a browser run only what is in it."""

import base64
import hashlib
import re
from importlib import resources

from proxy.control.asked import HTML, Answered

_BLOCK = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)


def policy_for(html: str) -> str:
    """Return the Content-Security-Policy that allows this page's own script and style by hash."""
    hashes: dict[str, str] = {}
    for kind, text in _BLOCK.findall(html):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        hashes[kind] = f"'sha256-{digest}'"
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {hashes['script']}",
            f"style-src {hashes['style']}",
            "connect-src 'self'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def make_page() -> Answered:
    """Return the response that is the page."""
    html = resources.files("proxy.control").joinpath("page.html").read_text("utf-8")
    policy = policy_for(html).encode()
    fields = ((b"Content-Security-Policy", policy), (b"X-Frame-Options", b"DENY"))
    return Answered(200, html.encode(), HTML, fields)


PAGE = make_page()
