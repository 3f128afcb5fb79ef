"""`rscvm completion`: the script that a shell completes by, and the answers to that script."""

from __future__ import annotations

import os
import signal

import click

from provision.cli.output import Output

VARIABLE = "_RSCVM_COMPLETE"
"""Of the environment in which the script asks."""
_LONGEST = 2
"""Seconds that an answer may take, whatever it waits for: whoever types waits, too."""


@click.command(short_help="The script by which your shell completes.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.option("--json", "as_json", is_flag=True, help="The script in a JSON document.")
@click.pass_context
def completion(context: click.Context, shell: str, *, as_json: bool) -> int:
    """The script by which a shell completes commands, options, causes, machines, hosts, NICs, domains and URIs.

    \b
    bash: rscvm completion bash > ~/.local/share/bash-completion/completions/rscvm
    zsh:  source <(rscvm completion zsh)    in ~/.zshrc, after compinit
    fish: rscvm completion fish > ~/.config/fish/completions/rscvm.fish

    While you type, rscvm asks no other host, starts nothing and says nothing of what fails: of remote
    URIs no domains are completed.
    """  # noqa: D301 - \b is click's
    from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

    kind = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}[shell]
    # click's own for bash would run bash, to say on stderr which versions it is for
    script = ShellComplete.source(kind(context.find_root().command, {}, "rscvm", VARIABLE))
    output: Output = context.obj
    if as_json:
        output.json({"schema": "rscvm/completion/1", "shell": shell, "text": script})
    else:
        output.text(script)
    return 0


def answer(group: click.Group, instruction: str) -> int:
    """Tell the script what can stand where the cursor is, and nobody what went wrong: the screen is the shell's."""
    from click.shell_completion import add_completion_class, shell_complete

    from provision.cli.bash_words import BashWords

    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
    signal.alarm(_LONGEST)
    add_completion_class(BashWords)
    return shell_complete(group, {}, "rscvm", VARIABLE, instruction)
