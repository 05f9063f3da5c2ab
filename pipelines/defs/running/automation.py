"""What follows from data rather than from the clock, where a schedule would be too late or not at all."""

from datetime import timedelta

import dagster as dg

WEEK = timedelta(days=7)

# A schedule's tick that found the machine switched off is gone. A session of the last week without its journal in the tables is made up for,
# once; except the last one: its own job makes that, and may be about to.
CAUGHT_UP = (
    (dg.AutomationCondition.missing() & dg.AutomationCondition.in_latest_time_window(WEEK) & ~dg.AutomationCondition.in_latest_time_window())
    .newly_true()
    .since(dg.AutomationCondition.newly_requested() | dg.AutomationCondition.newly_updated())
    & ~dg.AutomationCondition.in_progress()
).with_label("a session of the last week was missed")

# Any session, however old: a journal that is read again has its measures made again.
FOLLOWS = (
    dg.AutomationCondition.any_deps_updated().since_last_handled()
    & ~dg.AutomationCondition.any_deps_missing()
    & ~dg.AutomationCondition.any_deps_in_progress()
    & ~dg.AutomationCondition.in_progress()
).with_label("what it is made of is newer")


@dg.definitions
def automation() -> dg.Definitions:
    """The sensor that evaluates the conditions. Off until somebody switches it on, like the schedules."""
    follow = dg.AutomationConditionSensorDefinition("follow", target=dg.AssetSelection.all(), default_status=dg.DefaultSensorStatus.STOPPED)
    return dg.Definitions(sensors=[follow])
