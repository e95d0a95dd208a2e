"""Where requests are passed on, with what nginx would have in force there."""

import pytest

from proxy.migration.places import Place, choose, places, servers
from tests.migration.trees import tree


def found(text: str) -> list[Place]:
    return [one for server, around in servers(tree(text)) for one in places(server, around)]


def test_an_inner_block_replaces_what_the_outer_ones_say() -> None:
    (place,) = found(
        """
        http {
            send_timeout 1; client_body_timeout 1; keepalive_time 1;
            server {
                client_body_timeout 2; keepalive_time 2;
                location / { location /a { keepalive_time 3; uwsgi_pass a; } }
            }
        }
        """
    )
    names = ("send_timeout", "client_body_timeout", "keepalive_time")
    assert [place.scope[name][0].args for name in names] == [("1",), ("2",), ("3",)]
    assert place.location.args == ("/a",)


@pytest.mark.parametrize(
    ("locations", "chosen"),
    [
        ("location /a { uwsgi_pass x; } location / { uwsgi_pass y; }", "y"),
        ("location /a { uwsgi_pass x; } location @app { uwsgi_pass y; }", "y"),
        ("location / { proxy_pass http://x; } location /a { uwsgi_pass y; }", "y"),
        ("location /a { uwsgi_pass x; } location /b { uwsgi_pass y; }", "x"),
    ],
)
def test_the_place_that_most_requests_go_to(locations: str, chosen: str) -> None:
    place = choose(found(f"server {{ {locations} }}"))
    assert place is not None
    assert place.target.args == (chosen,)


def test_there_may_be_none() -> None:
    assert choose(found("server { location / { return 404; } }")) is None
