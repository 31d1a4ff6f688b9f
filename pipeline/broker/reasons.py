"""What an exception of pika is about: most say nothing themselves, and hold the one that does."""

from pika.adapters.utils.connection_workflow import AMQPConnectorException

from pipeline.errors import in_words

LONGEST = 200


def why(error: BaseException) -> str:
    """Say in a line why the broker is out of reach, as the innermost exception has it."""
    held = (*error.args, *getattr(error, "exceptions", ()), getattr(error, "exception", None))
    for one in reversed(held):
        if isinstance(one, BaseException):
            return why(one)
    said = in_words(error)
    if isinstance(error, AMQPConnectorException):  # goes on with an address as Python writes it
        said = said.partition("'")[0]
    return said.partition("\n")[0][:LONGEST] or type(error).__name__
