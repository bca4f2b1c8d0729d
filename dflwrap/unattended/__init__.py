"""What a run needs when nobody is there: staying awake, ending in time, a log, word sent, what follows the end."""
