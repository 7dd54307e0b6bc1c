"""What is shown of the farm: statistics, information about the processes, how servers stand."""
