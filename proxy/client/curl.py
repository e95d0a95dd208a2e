"""`uwsgi-frontend curl ADDRESS [PATH]`: what does the application say, without a front end?

With -v it shows the variables that are sent, as this front end would send them. A failure is one
line with a reason of the closed list and the next step, and one of curl's exit codes.
"""

import contextlib
import sys
from collections.abc import Sequence
from typing import BinaryIO

from protocol.messages import ReplyHead
from proxy.client import exits
from proxy.client.call import Call, prepare
from proxy.client.doubt import explain
from proxy.client.drive import run_alone
from proxy.client.options import PROGRAM, Options, UsageError, read_options
from proxy.client.request import Timings, as_address, perform
from proxy.errors import ProxyError
from proxy.settings import Address

_INTERRUPTED = 130


class _CannotWrite(Exception):
    """The reply cannot be written where it should be."""


def main(arguments: Sequence[str]) -> int:
    """Send one request and write its reply; return the exit code."""
    try:
        options = read_options(arguments)
        address = as_address(options.address)
        call = prepare(
            options.method,
            options.path,
            options.headers,
            options.body,
            options.params,
            options.modifiers,
        )
    except (UsageError, ValueError) as error:
        return _complain(exits.BAD_USAGE, str(error))
    except OSError as error:
        return _complain(exits.CANNOT_READ_FILE, f"{error.filename}: {error.strerror}")
    except ProxyError as error:
        return _explain(error, silent=False)
    return _Run(options, address, call).run()


def _complain(code: int, text: str) -> int:
    print(f"{PROGRAM}: ({code}) {text}", file=sys.stderr)
    return code


def _explain(error: ProxyError, *, silent: bool) -> int:
    reason = error.reason
    code = exits.code_of(reason)
    if silent:
        return code
    return _complain(code, f"{reason.word}: {error.detail}; next: {reason.next_step}")


class _Run:
    """One request and what is shown of it."""

    def __init__(self, options: Options, address: Address, call: Call) -> None:
        self._options = options
        self._address = address
        self._call = call
        self._status = 0
        self._out: BinaryIO = sys.stdout.buffer

    def run(self) -> int:
        options = self._options
        self._show_request()
        try:
            timings = run_alone(
                perform(
                    self._address,
                    self._call,
                    options.timeout_s,
                    on_head=self._take_head,
                    on_data=self._take_data,
                )
            )
            self._flush()
        except ProxyError as error:
            error = run_alone(explain(self._address, error))
            return _explain(error, silent=options.silent)
        except _CannotWrite as error:
            return self._fail(exits.CANNOT_WRITE, str(error))
        except KeyboardInterrupt:
            return _INTERRUPTED
        finally:
            self._close()
        self._show_times(timings)
        if options.fail and self._status >= 400:
            return self._fail(exits.HTTP_ERROR, f"the application answered {self._status}")
        return exits.OK

    def _fail(self, code: int, text: str) -> int:
        return code if self._options.silent else _complain(code, text)

    def _show_request(self) -> None:
        if not self._options.verbose:
            return
        self._note(f"* {self._address}: uwsgi packet of {len(self._call.packet)} bytes, ", end="")
        self._note(f"body of {len(self._call.body)} bytes")
        for name, value in self._call.variables:
            self._note(f"> {name}={value}")
        self._note(">")

    def _take_head(self, head: ReplyHead, text: bytes) -> None:
        self._status = head.status
        if self._options.verbose:
            for line in text.decode("latin-1").splitlines():
                self._note(f"< {line}")
        self._open()
        if self._options.show_head:
            self._write(text)

    def _open(self) -> None:
        """Begin the file that the reply goes to: what failed before leaves an old one alone."""
        name = self._options.output
        if name == "-":
            return
        try:
            self._out = open(name, "wb")  # noqa: SIM115 (closed by _close)
        except OSError as error:
            raise _CannotWrite(f"{name}: {error.strerror}") from error

    def _take_data(self, data: bytes) -> None:
        if not (self._options.fail and self._status >= 400):
            self._write(data)

    def _write(self, data: bytes) -> None:
        try:
            self._out.write(data)
        except OSError as error:
            raise _CannotWrite(f"cannot write the reply: {error.strerror}") from error

    def _flush(self) -> None:
        try:
            self._out.flush()
        except OSError as error:
            raise _CannotWrite(f"cannot write the reply: {error.strerror}") from error

    def _close(self) -> None:
        if self._out is not sys.stdout.buffer:
            with contextlib.suppress(OSError):  # what it could not take has been told
                self._out.close()

    def _show_times(self, timings: Timings) -> None:
        if self._options.verbose:
            self._note(
                f"* connected after {timings.connect_s:.3f} s, head after {timings.head_s:.3f} s, "
                f"all after {timings.total_s:.3f} s"
            )

    @staticmethod
    def _note(text: str, end: str = "\n") -> None:
        sys.stderr.write(text.encode("utf-8", "backslashreplace").decode() + end)
