"""The commands of `daybot`, a file a subject."""
