"""From vendor bars to the morning's briefing; `pipelines.core` is the part that research and live share."""
