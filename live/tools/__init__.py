"""The tools: all that people, scripts and agents can ask of a running session, whatever door they come through. One set, one gate, one journal."""
