"""Every failure provoked for real: the answer, the connection's fate, log line and metric."""
