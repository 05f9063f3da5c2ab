"""The tools as an MCP server: over stdio for a client on this machine, over HTTP at /mcp of the runner."""
