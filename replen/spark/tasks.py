"""How many tasks a session has done and has to do in its running stages: whether long work moves."""

from py4j.protocol import Py4JError  # type: ignore[import-untyped]
from pyspark.sql import SparkSession


def tasks(spark: SparkSession) -> dict[str, int]:
    """Return counts of the stages that run now; none between stages, or where the session does not answer any more."""
    try:
        tracker = spark.sparkContext.statusTracker()
        stages = [stage for number in tracker.getActiveStageIds() if (stage := tracker.getStageInfo(number))]
    except (Py4JError, OSError):
        return {}
    if not stages:
        return {}
    return {
        "done": sum(stage.numCompletedTasks for stage in stages),
        "all": sum(stage.numTasks for stage in stages),
        "failed": sum(stage.numFailedTasks for stage in stages),
    }
