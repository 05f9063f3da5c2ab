"""Commands that read what was written: journals, reports, snapshots, explanations."""
