"""The WebSocket layer, held against Autobahn|Testsuite: a sample of its cases; ``make soak`` takes them all."""

import trio

from tests.autobahn.conformance import QUICK, WSTEST, both, wrong


def test_a_sample_of_autobahns_cases_passes_in_both_roles_and_strictly() -> None:
    assert WSTEST.exists(), "Autobahn is not installed: make autobahn"

    results = trio.run(both, QUICK)

    assert not wrong(results)
    assert {role: len(cases) > 100 for role, cases in results.items()} == {"server": True, "client": True}
