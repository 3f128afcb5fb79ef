"""The command line: which commands there are, and how errors become an exit status.

Modules in here import at their top only what `--help` needs; what a command works with is imported
when it runs.
"""

from __future__ import annotations

import gc
import io
import os
import sys
from typing import TYPE_CHECKING

import click

from provision.cli.apply import apply
from provision.cli.bench import bench
from provision.cli.check import check
from provision.cli.doctor import doctor
from provision.cli.down import down
from provision.cli.explain import explain
from provision.cli.export import autohck, export
from provision.cli.fix import fix
from provision.cli.hck.group import hck
from provision.cli.import_ import import_
from provision.cli.output import Output, complain
from provision.cli.plan import plan
from provision.cli.render import render
from provision.cli.status import status
from provision.cli.up import up
from provision.cli.validate import validate
from provision.runtime.errors import RscvmError, UnforeseenError
from provision.runtime.interrupt import listen, told

if TYPE_CHECKING:
    from types import TracebackType

# pydantic would look for plugins in the metadata of every package that is installed, and we use none.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

_INTERRUPTED = 130
_BROKEN_PIPE = 141


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="rscvm")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
@click.option("-v", "--verbose", is_flag=True, help="Show every command that is run.")
@click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    help="Colours on stdout; auto: on a terminal, unless NO_COLOR is set.",
)
@click.pass_context
def rscvm(context: click.Context, *, quiet: bool, verbose: bool, color: str) -> None:
    """Windows on KVM that receives at full speed: make RSC-ready VMs, and tell which layer breaks RSC.

    LAB is a lab file: one YAML file that says which machines there are. Progress goes to stderr,
    results to stdout; every command takes --json.

    Exit status: 0 done, or every NIC ready. 1 a NIC is not ready. 2 usage or lab file. 3 the host, or
    something on it, failed. 4 something could not be asked. 130 interrupted.
    """
    context.obj = Output(quiet=quiet, verbose=verbose, color=color)


for _command in (
    doctor, validate, render, plan, up, down, status, apply, check, fix, bench, import_, hck, explain, export,
):  # fmt: skip
    rscvm.add_command(_command)
export.add_command(autohck)


def run(arguments: list[str] | None = None) -> int:
    """Run one command line and return its exit status; no exception leaves it, but for RSCVM_DEBUG=1."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without UTF-8 gets `?` for a tick
    try:
        return int(rscvm.main(arguments, prog_name="rscvm", standalone_mode=False) or 0)
    except (KeyboardInterrupt, click.Abort) as error:
        return _interrupted(error)
    except (BrokenPipeError, SystemExit):  # click makes the second of the first
        sys.stdout = None  # whoever read us has gone; nothing is left to flush to
        return _BROKEN_PIPE
    except Exception as error:
        if os.environ.get("RSCVM_DEBUG") == "1":
            raise
        return _explained(error)


def _interrupted(error: BaseException | None = None) -> int:
    """Say so, and what could not be taken back, if that is what caused it; click makes an error of its own of it."""
    complain("interrupted")
    while error is not None:
        if isinstance(error, RscvmError):
            complain(str(error), hint=error.hint)
        error = error.__cause__
    return _INTERRUPTED


def _explained(error: Exception) -> int:
    """Say what happened and what to do, and return the exit status for it."""
    match error:
        case click.ClickException():
            where = getattr(error, "ctx", None)
            complain(error.format_message(), hint=f"{where.command_path if where else 'rscvm'} --help")
            return 2
        case RscvmError():
            complain(str(error), hint=error.hint, verbatim=error.verbatim)
            return error.status
        case OSError():
            complain(f"{error.strerror or error}" + (f": {error.filename}" if error.filename else ""))
            _drop_what_nobody_takes()
            return 3
    if told():
        return _interrupted()
    found = UnforeseenError(error)
    complain(str(found), hint=found.hint)
    return found.status


def _drop_what_nobody_takes() -> None:
    """Else Python tries again at its end, and makes a status of its own of it."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        sys.stdout = None  # as where whoever read us has gone


def _trace(_kind: type[BaseException], error: BaseException, _at: TracebackType | None) -> None:
    """A traceback for RSCVM_DEBUG=1; it goes into bug reports, and has others' words in it."""
    import traceback

    from provision.runtime.masked import masked_text

    sys.stderr.write(masked_text("".join(traceback.format_exception(error))))


def main() -> None:
    """Entry point of the `rscvm` command."""
    sys.excepthook = _trace
    listen(lambda: os.write(2, b"rscvm: interrupted; what is under way is finished first\n"))
    status = run()
    gc.freeze()  # all ends with the process; Python would look through it for garbage once more, which takes long
    sys.exit(status)
