"""The strategies that DayBot ships; a package of yours adds its own by entry point (`pipelines.roster`)."""
