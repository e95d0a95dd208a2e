"""An application that takes its time to load."""

import time

time.sleep(1)
