"""The sticky cookie as text, as nginx's `sticky cookie` has it: `srv_id expires=1h secure`."""

from dataclasses import replace

from proxy.config.kinds import DURATION, NAME, PATH, SWITCH, Kind, choice_or_off
from proxy.config.words import Parameter, quote_word, read_words, show_words, split_words
from proxy.settings import StickySettings


def _parse_expires(text: str) -> float:
    if text == "max":
        raise ValueError("no longer than a year, since browsers forget it then; write 365d")
    seconds: float = DURATION.parse(text)
    return seconds


_EXPIRES = replace(DURATION, parse=_parse_expires)

# fmt: off
PARAMETERS = (
    Parameter("path", "path", PATH,
        "Path attribute."),
    Parameter("domain", "domain", NAME,
        "Domain attribute; none unless given."),
    Parameter("expires", "expires_s", _EXPIRES,
        "Max-Age and Expires; 0 for a cookie that ends with the browser's session.", 0),
    Parameter("secure", "secure", SWITCH,
        "Secure attribute."),
    Parameter("httponly", "http_only", SWITCH,
        "HttpOnly attribute."),
    Parameter("samesite", "same_site", choice_or_off("lax", "strict", "none"),
        "SameSite attribute; off for none."),
)
"""What may stand behind the cookie's name."""
# fmt: on

_ELSEWHERE = {"max_age": "expires", "http_only": "httponly", "same_site": "samesite"}


def parse_sticky(text: str) -> StickySettings:
    """Return the cookie that a text describes; `off` and empty text are for none.

    Raises:
        ValueError: with one line that says what is wrong and what would be right.
    """
    words = split_words(text.strip().removesuffix(";"))
    if words in ([], ["off"]):
        return StickySettings()
    while len(words) > 1 and words[0] in ("sticky", "cookie") and not _is_word(words[1]):
        del words[0]  # the directive of nginx
    name, *rest = words
    if "=" in name:
        raise ValueError(f"the name of the cookie comes first; write srv_id {name}")
    return StickySettings(name, **read_words(rest, PARAMETERS, _ELSEWHERE))


def _is_word(text: str) -> bool:
    return text.partition("=")[0] in {parameter.name for parameter in PARAMETERS}


def show_sticky(sticky: StickySettings) -> str:
    """Return the text for a cookie, without what is default."""
    if not sticky.name:
        return "off"
    return " ".join([quote_word(sticky.name), *show_words(sticky, PARAMETERS)])


STICKY = Kind("COOKIE|off", "srv_id path=/app expires=1h", parse_sticky, show_sticky)
