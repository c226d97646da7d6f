"""Whatever fails at whichever write of a job, the next run gives the tables of an undisturbed one."""

import pytest

from tests.faults.conftest import JOBS, Scenario, drawn, faults_at


@pytest.mark.parametrize("job", JOBS)
def test_a_job_that_failed_is_done_by_the_next_run(scenarios: dict[str, Scenario], job: str) -> None:
    scenario = scenarios[job]
    faults = drawn(faults_at(scenario.points, server="sqlite"), job, usual=1)
    problems = scenario.all_problems(faults)
    assert not problems, "\n".join([f"{len(faults)} faults tried:", *problems])
