"""How `uwsgi-frontend curl` ends: with the codes that scripts know from curl (curl(1), EXIT CODES).

curl has one code for everything that keeps it from connecting; the line that goes with it has the
reason, which tells a missing socket from one without permission, without a listener, or full.
"""

from proxy import errors
from proxy.errors import Reason

OK = 0
BAD_USAGE = 2
CANNOT_CONNECT = 7
WEIRD_REPLY = 8
PARTIAL = 18
HTTP_ERROR = 22
CANNOT_WRITE = 23
CANNOT_READ_FILE = 26
TIMED_OUT = 28
EMPTY_REPLY = 52
SEND_FAILED = 55
RECEIVE_FAILED = 56

_CODES = {
    errors.SOCKET_MISSING: CANNOT_CONNECT,
    errors.PERMISSION_DENIED: CANNOT_CONNECT,
    errors.CONNECT_REFUSED: CANNOT_CONNECT,
    errors.CONNECT_FAILED: CANNOT_CONNECT,
    errors.BACKLOG_FULL: CANNOT_CONNECT,
    errors.OUT_OF_DESCRIPTORS: CANNOT_CONNECT,
    errors.CONNECT_TIMEOUT: TIMED_OUT,
    errors.SEND_TIMEOUT: TIMED_OUT,
    errors.READ_TIMEOUT: TIMED_OUT,
    errors.READ_TIMEOUT_MID_BODY: TIMED_OUT,
    errors.EOF_BEFORE_HEADERS: EMPTY_REPLY,
    errors.RESET_BEFORE_HEADERS: RECEIVE_FAILED,
    errors.EOF_MID_HEADERS: RECEIVE_FAILED,
    errors.EOF_MID_BODY: PARTIAL,
    errors.RESET_MID_BODY: RECEIVE_FAILED,
    errors.BAD_REPLY_HEAD: WEIRD_REPLY,
    errors.REPLY_HEAD_TOO_LARGE: RECEIVE_FAILED,
    errors.BAD_REPLY_BODY: RECEIVE_FAILED,
    errors.PACKET_TOO_LARGE: SEND_FAILED,
    errors.NOT_UWSGI: WEIRD_REPLY,
}


def code_of(reason: Reason) -> int:
    """Return curl's exit code for a reason."""
    return _CODES.get(reason, RECEIVE_FAILED)
