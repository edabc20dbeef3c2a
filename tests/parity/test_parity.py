"""Every parity case that is found, through the adapter of its project."""
from __future__ import annotations

import harness
import pytest


def _parameters() -> list:
    return [pytest.param(case, id=case.name, marks=[pytest.mark.slow] if harness.is_slow(case) else [])
            for case in harness.find_cases()]


@pytest.mark.parametrize('case', _parameters())
def test_case(case: harness.Case, record_property):
    """The outputs of AVMM are those of the reference, within the tolerances that the case states."""
    not_compared = harness.check_case(case.path, harness.adapter_of(case.project))
    for output, reason in not_compared.items():
        record_property('parity_not_compared', f'{case.name}: {output} ({reason})')
