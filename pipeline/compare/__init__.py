"""Behind ``kdpipe compare``: two results side by side."""
