"""Batches of which one item may be refused."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from server.errors import DatabaseRefusedError

Item = TypeVar("Item")
Result = TypeVar("Result")


async def in_parts(
    items: Sequence[Item],
    act: Callable[[Sequence[Item]], Awaitable[Result]],
    refused: Callable[[Item, DatabaseRefusedError], None],
) -> list[Result]:
    """Do something for all items at once; where the database refuses that, for each half of them.

    So one item costs the others a few statements more, and nothing else. `refused` is called for
    each that is refused by itself. Returns what `act` did, for each part that came through.

    Raises:
        DatabaseUnavailableError: the database went away; some parts may have come through.
    """
    if not items:
        return []
    try:
        return [await act(items)]
    except DatabaseRefusedError as error:
        if len(items) == 1:
            refused(items[0], error)
            return []
        middle = len(items) // 2
        first = await in_parts(items[:middle], act, refused)
        return first + await in_parts(items[middle:], act, refused)
