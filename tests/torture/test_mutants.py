"""The mutants fit the code: what each changes is there, and the tests that are to notice."""

import pytest

from tests.torture.mutant import Mutant
from tests.torture.mutants import MUTANTS, ROOT


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_finds_what_it_changes_and_its_tests(mutant: Mutant) -> None:
    assert (ROOT / mutant.path).read_text(encoding="utf-8").count(mutant.old) == 1
    assert mutant.new != mutant.old
    for one in mutant.tests:
        path, *names = one.split("::")
        text = (ROOT / path).read_text(encoding="utf-8")
        assert all(name.partition("[")[0] in text for name in names)
