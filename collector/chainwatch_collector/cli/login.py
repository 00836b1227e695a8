"""`chainwatch login`: remember where the collector is and who asks."""

import os
from pathlib import Path

import click

from chainwatch_collector.cli.client import Client
from chainwatch_collector.cli.config import CliConfig, config_path, write_config
from chainwatch_collector.cli.output import say


@click.command()
@click.argument("url")
@click.option("--token", metavar="TOKEN", help="asked for when not given; better not on the command line")
@click.option("--ca-file", metavar="FILE", help="the collector's CA certificate in PEM")
@click.option("--user", metavar="NAME", help="get a token of 30 days for this account; its password is asked for")
@click.option("--no-token", is_flag=True, help="this collector lets local callers in without one")
def command(url: str, token: str | None, ca_file: str | None, user: str | None, no_token: bool) -> int:
    """Try URL with a token, then write both to ~/.config/chainwatch/cli.toml (mode 0600).

    \b
    Examples:
      chainwatch login https://collector.example:8443 --ca-file ca.pem
      chainwatch login https://collector.example:8443 --user ana
    """
    if not url.startswith(("http://", "https://")):
        raise click.UsageError(f"{url!r} is no address: give https://HOST:8443")
    ca_path = str(Path(ca_file).expanduser().resolve()) if ca_file else None
    if user is not None:
        token = _token_of(CliConfig(url.rstrip("/"), None, ca_path, "the command line"), user)
    if token is None and not no_token:
        token = os.environ.get("CHAINWATCH_TOKEN") or click.prompt("token", hide_input=True, err=True)
    with Client(CliConfig(url.rstrip("/"), token, ca_path, "the command line")) as client:
        health = client.get("/health")
    path = config_path(os.environ)
    write_config(path, url.rstrip("/"), token, ca_path)
    say(f"wrote {path}; the collector says: {health['sentence']}")
    return 0


def _token_of(config: CliConfig, user: str) -> str:
    password = click.prompt(f"password of {user}", hide_input=True, err=True)
    with Client(config) as client:
        return str(client.post("/login", {"name": user, "password": password})["token"])
