"""From configurations of nginx to options."""
