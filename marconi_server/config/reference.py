"""Writes the sample configuration and its reference page from the option table.

Run as `python -m marconi_server.config.reference` at the top of a checkout, after any
change to an option. A test fails while one of the two files is stale.
"""

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from marconi_server.config.options import Option, options
from marconi_server.config.settings import SECTIONS
from marconi_server.storage import registry

SAMPLE: Final = Path("etc/marconi.conf")
PAGE: Final = Path("docs/reference/configuration.md")

SHIPPED_DRIVERS: Final = ("mongodb", "sqlite")
"""The storage drivers whose sections are shown: those of this project."""

_SAMPLE_HEAD: Final = """\
# Configuration of the Marconi queue server.
#
# Every option is shown with its default. To change one, remove the # before it.
# The server looks for this file in ~/.marconi, ~, /etc/marconi and /etc, or takes
# it from --config-file. `marconi-server check` says whether it is right.
#
# This file is generated: python -m marconi_server.config.reference
"""

_PAGE_HEAD: Final = """\
# Configuration

<!-- Generated: python -m marconi_server.config.reference -->

Files are in the format of oslo.config: groups in brackets, `name = value`, `#` before a
comment. [`etc/marconi.conf`](../../etc/marconi.conf) is a sample with every option.
`marconi-server check` reads the configuration, opens the store and says what is wrong. Run
it as the user of the server: a database that does not exist yet is created, and belongs to
who runs it.

What wins, from first to last:

1. the command line: `--bind`, `--port`, `--workers`, `--threads`, and `--embedded`, which sets
   `storage` and `database`, and refuses to start where anything else asks for authentication;
2. the environment: `OS_`, the group, `__`, the name, all in capitals, with `_` for the
   colons of a group, as in `OS_DRIVERS_TRANSPORT_WSGI__PORT=8889`. The spelling of
   oslo.config, which keeps the colons, is understood too;
3. the files given with `--config-file`, a later one before an earlier. Without any,
   `marconi.conf` and then `marconi.conf.d/*.conf`, each from the first of `~/.marconi`, `~`,
   `/etc/marconi` and `/etc` that has it. `--embedded` reads no default files;
4. the defaults below.

`marconi_server.wsgi:application`, under another WSGI host, has no command line: there the
environment variable `MARCONI_CONFIG_FILE` names the files, separated as in `PATH`. There a wrong
configuration means 503 for all requests, and a line in the log that says why.

A value that is not allowed stops the start with one line that names the option, where it was
set, and what is allowed. A value that may hold a secret is never repeated, right or wrong.

What is set in vain is a warning in the log of the start: a name that nobody knows, a section of a
driver that is not chosen, an option that another one makes meaningless, an old name beside the
new one. That goes for files, for environment variables of these groups, and for the command line.
`marconi-server check` says the same, and ends with status 2 if there are names that nobody
knows; with `--lenient` it does not mind. Groups of other programs may stand in the same file.

`[authentication]`, `[oslo_policy]` and `[keystone_authtoken]` mean something only with
`auth_strategy = keystone`. Where one of them is set and `auth_strategy` is empty, the server does
not start: it would let everybody in.

SIGHUP makes the server look for the files again, read them, and replace its workers without
refusing a request. If the new configuration is wrong, one line in the log says so and the old one
stays in force. Each file is read once, so it may be a pipe or standard input:
`--config-file <(…)`. That cannot be read again, and a SIGHUP then changes nothing and says so.
"""


def sections() -> list[type[Any]]:
    """Return the sections in the order in which they are shown."""
    return [*SECTIONS, *(registry.driver(name).Options for name in SHIPPED_DRIVERS)]


def sample() -> str:
    """Return the text of the sample configuration."""
    return "".join([_SAMPLE_HEAD, *map(_sample_section, sections())])


def page() -> str:
    """Return the text of the reference page."""
    return "".join([_PAGE_HEAD, *map(_page_section, sections())])


def _sample_section(section: type[Any]) -> str:
    entries = "".join("\n" + "\n".join(_sample_lines(each)) + "\n" for each in options(section))
    return f"\n\n[{section.GROUP}]\n{_comment(_summary(section))}\n{entries}"


def _sample_lines(each: Option) -> Iterator[str]:
    yield _comment(each.help)
    if each.allowed != "text":
        yield f"# Allowed: {each.allowed}."
    for group, name in each.old_names:
        yield f"# Old name: {name} of [{group}]."
    yield f"#{each.name} = {_text(each)}".rstrip()


def _page_section(section: type[Any]) -> str:
    rows = "".join(map(_page_row, options(section)))
    return (
        f"\n## `[{section.GROUP}]`\n\n{_summary(section)}\n\n"
        f"| Option | Default | Allowed | Meaning |\n|---|---|---|---|\n{rows}"
    )


def _page_row(each: Option) -> str:
    default = f"`{_text(each)}`" if _text(each) else "empty"
    old = "".join(f" Old name: `{name}` of `[{group}]`." for group, name in each.old_names)
    return f"| `{each.name}` | {default} | {each.allowed} | {each.help}{old} |\n"


def _summary(section: type[Any]) -> str:
    return (section.__doc__ or "").partition("\n\n")[0]


def _text(each: Option) -> str:
    """Return the default as it is written in a file."""
    return str(each.default).lower() if each.kind is bool else str(each.default)


def _comment(text: str) -> str:
    return "\n".join(textwrap.wrap(text, 88, initial_indent="# ", subsequent_indent="# "))


def main() -> None:
    """Write both files below the current folder."""
    for path, text in ((SAMPLE, sample()), (PAGE, page())):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()
