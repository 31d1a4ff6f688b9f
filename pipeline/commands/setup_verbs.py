"""`httpca setup DIR`, and the verbs that go on with a folder that it made."""

from typing import Final

import click

from pipeline.commands.lazy import LazyGroup

NEW: Final = "new"

VERBS: Final = {
    NEW: ("pipeline.commands.setup:setup", "Make DIR; `httpca setup DIR` says the same."),
    "add-approver": ("pipeline.commands.identities:add_approver", "Let one more person approve."),
    "renew": ("pipeline.commands.identities:renew", "Make a new message key and certificate."),
    "revoke": ("pipeline.commands.identities:revoke", "Trust a message certificate no more."),
    "list": ("pipeline.commands.identities:list_", "List identities, and where they are trusted."),
}


class SetupGroup(LazyGroup):
    """Verbs, or a DIR to make: what is no verb means ``new``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put ``new`` before what begins with no verb."""
        if args and args[0] not in self.commands_by_name and args[0] not in ctx.help_option_names:
            args = [NEW, *args]
        return super().parse_args(ctx, args)


@click.group(
    cls=SetupGroup,
    commands_by_name=VERBS,
    subcommand_metavar="DIR [OPTIONS] | VERB [ARGS]...",
    options_metavar="",
)
def setup() -> None:
    """Make DIR with all that HttpCA runs from, or go on with it by a verb.

    The options of `httpca setup DIR` are listed by `httpca setup new --help`.
    """
