"""Batches of which the database may refuse single items."""

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
    """Call `act` with all items; if the database refuses them, with each half, and so on.

    So a refused item costs the others a few more statements, and nothing else; `refused` is called
    with it. Returns the results of `act`, one for each part that was accepted.

    Raises:
        DatabaseUnavailableError: the database went away; some parts may be done.
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
