"""What runs, in which order, and what the user sees: command line, configuration, graph, runner, progress."""
