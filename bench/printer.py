"""The other measured command: an ordinary program, which formats and prints one line at a time.

It runs by itself: `python -I -S printer.py TEMPLATE LINES`. What it writes is what `generate.py`
does, to the byte; but it is made as most programs make theirs.
"""

import sys

NUMBER_DIGITS = 10


def main() -> None:
    """Print the lines."""
    with open(sys.argv[1], encoding="ascii") as file:  # noqa: PTH123  pathlib takes milliseconds
        texts = [line.rstrip("\n")[NUMBER_DIGITS:] for line in file]
    for number in range(int(sys.argv[2])):
        print(f"{number:010d}{texts[number % len(texts)]}")


if __name__ == "__main__":
    main()
