"""The report as a folder that a browser opens: a view of finished results, which ``kdpipe report --html`` writes (:mod:`.write`)."""
