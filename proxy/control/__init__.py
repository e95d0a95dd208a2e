"""What operators ask and say on the admin address. Imported by `proxy.server` only."""
