"""nginx before uwsgi sockets, configured as the proxy is: same limits, same keep-alive, no log.

Any version of nginx will do: nothing here is younger than 1.18.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from proxy.lab.processes import file_limit
from proxy.lab.stand.setup import Tls

KEEPALIVE_S = 600
KEEPALIVE_REQUESTS = 1_000_000_000
MAX_BODY = "16m"
BODY_BUFFER = "1m"


@dataclass(frozen=True, slots=True)
class Nginx:
    """One nginx."""

    place: Path
    port: int
    upstream: str
    """What `uwsgi_pass` names: an address, or the upstream block."""
    group: str = ""
    """An upstream block."""
    backlog: int = 511
    """nginx's own default."""
    socket_bytes: int = 0
    """Of the buffers of each connection of a client; 0: the kernel's."""
    tls: Tls | None = None

    def config(self) -> str:
        """Write its configuration; the parameters are those of Debian's uwsgi_params."""
        user = "user root;\n" if os.getuid() == 0 else ""
        temp = "\n".join(
            f"    {kind}_temp_path {self.place}/{kind};"
            for kind in ("client_body", "uwsgi", "proxy", "fastcgi", "scgi")
        )
        return f"""\
{user}daemon off;
worker_processes 1;
worker_rlimit_nofile {file_limit()};
pid {self.place}/nginx.pid;
error_log {self.place}/error.log;
events {{
    worker_connections 16384;
}}
http {{
    access_log off;
    keepalive_timeout {KEEPALIVE_S};
    keepalive_requests {KEEPALIVE_REQUESTS};
    client_max_body_size {MAX_BODY};
    client_body_buffer_size {BODY_BUFFER};
{temp}
{self.group}    server {{
        listen 127.0.0.1:{self.port} backlog={self.backlog}{self._more()};{self._tls()}
        location / {{
            uwsgi_pass {self.upstream};
            uwsgi_param QUERY_STRING $query_string;
            uwsgi_param REQUEST_METHOD $request_method;
            uwsgi_param CONTENT_TYPE $content_type;
            uwsgi_param CONTENT_LENGTH $content_length;
            uwsgi_param REQUEST_URI $request_uri;
            uwsgi_param PATH_INFO $document_uri;
            uwsgi_param DOCUMENT_ROOT $document_root;
            uwsgi_param SERVER_PROTOCOL $server_protocol;
            uwsgi_param REQUEST_SCHEME $scheme;
            uwsgi_param HTTPS $https if_not_empty;
            uwsgi_param REMOTE_ADDR $remote_addr;
            uwsgi_param REMOTE_PORT $remote_port;
            uwsgi_param SERVER_PORT $server_port;
            uwsgi_param SERVER_NAME $server_name;
        }}
    }}
}}
"""

    def _more(self) -> str:
        size = self.socket_bytes
        found = f" sndbuf={size} rcvbuf={size}" if size else ""
        return found + (" ssl" if self.tls is not None else "")

    def _tls(self) -> str:
        if self.tls is None:
            return ""
        return f"""
        ssl_certificate {self.tls.certificate};
        ssl_certificate_key {self.tls.key};
        ssl_protocols TLSv1.2 TLSv1.3;"""


def upstream_block(addresses: list[str], method: str = "") -> str:
    """Return an upstream block named `app`."""
    lines = [method] if method else []
    lines += [f"server {address}" for address in addresses]
    return "upstream app {\n" + "".join(f"    {line};\n" for line in lines) + "}\n"
