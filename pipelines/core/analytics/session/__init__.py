"""One session, from its journal alone."""
