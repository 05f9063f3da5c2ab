"""The lake: raw bars and corporate actions as Parquet, append-only, in a folder or in an S3 bucket."""
