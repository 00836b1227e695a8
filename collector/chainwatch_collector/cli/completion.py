"""`chainwatch completion`: the script that makes a shell complete verbs and options."""

import click
from click.shell_completion import get_completion_class

from chainwatch_collector.cli.output import say


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> int:
    """Print the completion script of SHELL.

    \b
    Examples:
      chainwatch completion bash > /etc/bash_completion.d/chainwatch
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    say(kind(ctx.find_root().command, {}, "chainwatch", "_CHAINWATCH_COMPLETE").source())
    return 0
