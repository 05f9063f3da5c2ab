"""One session: put together, armed, conducted, resumed, shown."""
