"""Every knob: one frozen, typed tree.

Command line, environment and (later) files are sources that build this tree; see `proxy.config`.
The tree holds values only: no socket, logger or context. Units are in the names: `_s` seconds,
`_bytes` bytes. A subsystem is given its own branch, never the root. Names that begin with
`dangerously_` restore a behaviour of nginx that this project considers unsafe; each is explained in
docs/nginx-differences.md.
"""

from proxy.settings.address import Address
from proxy.settings.client import BufferSettings, ClientSettings, PacketSettings
from proxy.settings.root import (
    IdentitySettings,
    LogSettings,
    ServerSettings,
    Settings,
    WorkerSettings,
)
from proxy.settings.tls import TlsProtocol, TlsSettings
from proxy.settings.units import GIB, KIB, MIB
from proxy.settings.upstream import (
    Algorithm,
    BackendSettings,
    BalanceSettings,
    CheckKind,
    CheckSettings,
    CheckSpec,
    Condition,
    DiscoverySettings,
    HealthSettings,
    QueueSettings,
    RetrySettings,
    StickySettings,
    UpstreamSettings,
)

__all__ = [
    "GIB",
    "KIB",
    "MIB",
    "Address",
    "Algorithm",
    "BackendSettings",
    "BalanceSettings",
    "BufferSettings",
    "CheckKind",
    "CheckSettings",
    "CheckSpec",
    "ClientSettings",
    "Condition",
    "DiscoverySettings",
    "HealthSettings",
    "IdentitySettings",
    "LogSettings",
    "PacketSettings",
    "QueueSettings",
    "RetrySettings",
    "ServerSettings",
    "Settings",
    "StickySettings",
    "TlsProtocol",
    "TlsSettings",
    "UpstreamSettings",
    "WorkerSettings",
]
