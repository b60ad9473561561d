"""Valkey or the receiver of webhooks breaks while people talk, or two things at once (`tests/chaos/rounds.py`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos import faults, rounds
from tests.e2e.followers import Followers

pytestmark = [pytest.mark.node, pytest.mark.features("events"), pytest.mark.timeout(600 + 60 * rounds.ROUNDS)]


def test_clients_were_told_the_truth(followers: Followers, tmp_path: Path) -> None:
    rounds.run(faults.AROUND_THEM, tmp_path, followers)
