"""Commands about who may act from outside: tokens, MCP clients and their tickets."""
