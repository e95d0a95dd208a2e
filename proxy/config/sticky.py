"""The sticky cookie as text, as nginx's `sticky cookie` has it: `srv_id expires=1h secure`."""

from proxy.config.kinds import DURATION, NAME, PATH, SWITCH, Kind, choice_or_off
from proxy.config.words import Parameter, quote_word, read_words, show_words, split_words
from proxy.settings import StickySettings

# fmt: off
PARAMETERS = (
    Parameter("path", "path", PATH,
        "Path attribute."),
    Parameter("domain", "domain", NAME,
        "Domain attribute; none unless given."),
    Parameter("expires", "expires_s", DURATION,
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
    name, *rest = words
    if "=" in name:
        raise ValueError(f"the name of the cookie comes first; write srv_id {name}")
    return StickySettings(name, **read_words(rest, PARAMETERS, _ELSEWHERE))


def show_sticky(sticky: StickySettings) -> str:
    """Return the text for a cookie, without what is default."""
    if not sticky.name:
        return "off"
    return " ".join([quote_word(sticky.name), *show_words(sticky, PARAMETERS)])


STICKY = Kind("COOKIE|off", "srv_id path=/app expires=1h", parse_sticky, show_sticky)
