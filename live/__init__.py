"""The live side: feeds, the one queue, the broker, the journal, and the simulated exchange."""
