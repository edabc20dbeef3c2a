"""Every parity case that is found, through the adapter of its project."""
from __future__ import annotations

import harness
import pytest


def _parameters(undecided: bool = False) -> list:
    cases = [case for case in harness.find_cases() if not undecided or harness.has_undecided(case)]
    return [pytest.param(case, id=case.name, marks=[pytest.mark.slow] if undecided or harness.is_slow(case) else [])
            for case in cases]


def _record(case: harness.Case, notes: dict[str, str], record_property) -> None:
    for output, reason in notes.items():
        record_property('parity_note', f'{case.name}: {output} ({reason})')


@pytest.mark.parametrize('case', _parameters())
def test_case(case: harness.Case, record_property):
    """The outputs of AVMM are those of the reference, within the tolerances that the case states."""
    _record(case, harness.check_case(case.path, harness.adapter_of(case.project)), record_property)


@pytest.mark.parametrize('case', _parameters(undecided=True))
def test_what_rounding_decides(case: harness.Case, record_property):
    """Where rounding decides the outputs of the reference, those of AVMM are those of a plain program in float64."""
    _record(case, harness.check_undecided(case.path, harness.adapter_of(case.project)), record_property)
