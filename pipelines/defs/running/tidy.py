"""What Dagster keeps of its own: a night's runs are five megabytes of events, and Dagster never deletes one by itself.

Ticks of schedules and sensors are kept as `retention` in dagster.yaml says; bars, tables and snapshots are none of this.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

# No public names lead to what a run leaves beyond `delete_run`: rows of checks, and with SQLite a file for each run.
from dagster._core.storage.event_log import SqlEventLogStorage, SqliteEventLogStorage
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable

from pipelines import settings
from pipelines.core.market.session import NEW_YORK

ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


def forget(instance: dg.DagsterInstance, before: datetime) -> list[str]:
    """Delete the runs that ended before this moment, with their events, checks, files and logs; their ids.

    A run that made an asset's newest version stays: the UI goes on showing it. A partition whose run is gone shows as missing there; its rows are
    where they were.
    """
    latest = (instance.get_latest_materialization_event(key) for key in instance.all_asset_keys())
    newest = {event.run_id for event in latest if event}
    old = instance.get_run_records(dg.RunsFilter(statuses=ENDED, updated_before=before))
    gone = [record.dagster_run.run_id for record in old if record.dagster_run.run_id not in newest]
    if isinstance(instance.event_log_storage, SqlEventLogStorage):  # Dagster forgets to: a megabyte a night
        with instance.event_log_storage.index_connection() as connection:
            connection.execute(AssetCheckExecutionsTable.delete().where(AssetCheckExecutionsTable.c.run_id.in_(gone)))
    for run in gone:
        instance.delete_run(run)
        instance.compute_log_manager.delete_logs(prefix=[run])
        if isinstance(instance.event_log_storage, SqliteEventLogStorage):
            file = Path(instance.event_log_storage.path_for_shard(run))
            for part in file.parent.glob(f"{file.name}*"):  # with what SQLite keeps beside it
                part.unlink(missing_ok=True)
    return gone


@dg.op
def runs(context: dg.OpExecutionContext) -> None:
    """Older than `RUNS_KEPT` says."""
    kept = settings.load().runs_kept
    if not kept:
        context.log.info("RUNS_KEPT=0: every run is kept")
        return
    gone = forget(context.instance, datetime.now(UTC) - timedelta(days=kept))
    context.log.info(f"{len(gone)} runs deleted that ended more than {kept} days ago")


@dg.job(executor_def=dg.in_process_executor, description="Deletes Dagster's runs that are older than RUNS_KEPT. Data are not touched.")
def tidy() -> None:
    """One step."""
    runs()


@dg.schedule(job=tidy, cron_schedule="0 6 * * 6", execution_timezone=NEW_YORK.key, default_status=dg.DefaultScheduleStatus.RUNNING)
def every_week() -> dg.RunRequest:
    """Saturday, 06:00 in New York. On by itself: it starts nothing that costs anything."""
    return dg.RunRequest()
