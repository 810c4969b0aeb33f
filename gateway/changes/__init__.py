"""Changes of what is in force: the queue that people use, its fold from the log, rollouts."""
