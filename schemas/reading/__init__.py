"""From the texts that senders write to values: dates, numbers, flags, words and tables."""
