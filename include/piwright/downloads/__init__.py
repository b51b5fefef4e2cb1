"""Who downloads what: the web server's access log, counted by day. Nobody's address is read or kept."""
