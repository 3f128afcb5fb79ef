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
from provision.cli.candidates import complete_by_name
from provision.cli.check import check
from provision.cli.completion import VARIABLE, answer, completion
from provision.cli.doctor import doctor
from provision.cli.down import down
from provision.cli.ended import INTERRUPTED, ended_by, interrupted, named_by
from provision.cli.examples import examples
from provision.cli.explain import explain
from provision.cli.export import autohck, export
from provision.cli.fix import fix
from provision.cli.hck.group import hck
from provision.cli.import_ import import_
from provision.cli.options import voice
from provision.cli.output import Output
from provision.cli.plan import plan
from provision.cli.render import render
from provision.cli.status import status
from provision.cli.up import up
from provision.cli.validate import validate
from provision.runtime.errors import RscvmError
from provision.runtime.interrupt import listen, told

if TYPE_CHECKING:
    from types import TracebackType

# pydantic would look for plugins in the metadata of every package that is installed, and we use none.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

_BROKEN_PIPE = 141


class _AsListed(click.Group):
    """Its commands in the order in which they were added: that in which they are met."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click calls with it
        """Every command's name."""
        return list(self.commands)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """`help COMMAND` is that command's --help."""
        return super().parse_args(ctx, [*args[1:], "--help"] if args[:1] == ["help"] else args)


@click.group(
    cls=_AsListed, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="rscvm")
@click.pass_context
def rscvm(context: click.Context) -> None:
    """Windows on KVM that receives at full speed: make RSC-ready VMs, and tell which layer breaks RSC.

    LAB is a lab file: one YAML file that says which machines there are. Progress goes to stderr,
    results to stdout; every command takes --json. -q, -v and --color go on both sides of a command.

    Exit status: 0 done, or every NIC ready. 1 a NIC is not ready. 2 usage or lab file. 3 the host, or
    something on it, failed. 4 something could not be asked. 130 interrupted.
    """
    context.ensure_object(Output)


for _command in (
    check, fix, explain, bench, doctor, import_, examples, validate, render, plan, up, status, down, apply, hck, export,
    completion,
):  # fmt: skip
    rscvm.add_command(_command)
export.add_command(autohck)
rscvm.params += voice(hidden=False)
for _command in (*rscvm.commands.values(), *export.commands.values(), *hck.commands.values()):
    _command.params += voice(hidden=True)
complete_by_name(rscvm)


def run(arguments: list[str] | None = None) -> int:
    """Run one command line and return its exit status; no exception leaves it, but for RSCVM_DEBUG=1."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without UTF-8 gets `?` for a tick
    output = Output()
    words = sys.argv[1:] if arguments is None else arguments
    try:
        return int(rscvm.main(arguments, prog_name="rscvm", standalone_mode=False, obj=output) or 0)
    except (KeyboardInterrupt, click.Abort) as error:
        ended = interrupted(error)
    except (BrokenPipeError, SystemExit):  # click makes the second of the first
        sys.stdout = None  # whoever read us has gone; nothing is left to flush to
        return _BROKEN_PIPE
    except Exception as error:
        if os.environ.get("RSCVM_DEBUG") == "1":
            raise
        # A library may have made an error of its own of an interruption.
        known = isinstance(error, (click.ClickException, RscvmError, OSError))
        ended = INTERRUPTED if told() and not known else ended_by(error, named_by(words, rscvm, "rscvm"))
    ended.tell(output, words)
    _drop_what_nobody_takes()
    return ended.status


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
    if instruction := os.environ.get(VARIABLE):
        sys.exit(answer(rscvm, instruction))
    listen(lambda: os.write(2, b"rscvm: interrupted; what is under way is finished first\n"))
    status = run()
    gc.freeze()  # all ends with the process; Python would look through it for garbage once more, which takes long
    sys.exit(status)
