"""How clients reach the exchange: sockets, hosts and addresses."""
