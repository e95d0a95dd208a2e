"""TLS towards clients: certificates, handshakes, and the stream of bytes behind one."""
