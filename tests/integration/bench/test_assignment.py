"""The measurement of a start calls services directly, so their changes can break it."""

from __future__ import annotations

import os
import subprocess
import sys

from tests import ROOT


def test_the_measurement_runs_and_shows_the_index_that_chose_the_agent(mongodb_uri: str) -> None:
    options = ["--agents", "8", "--departments", "0", "1", "--clients", "1", "--starts", "2"]
    command = [sys.executable, "-m", "bench.assignment", *options]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "MONGODB_URI": mongodb_uri}, capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 0, done.stderr
    assert "least_loaded\n" in done.stdout
    assert "least_loaded_by_department\n" in done.stdout
